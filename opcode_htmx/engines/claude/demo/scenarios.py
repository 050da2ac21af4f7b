"""The demo's scenes and the prompts that ask for them. Knows the sample project, not the app."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from opcode_htmx.engines.claude.demo import sample, sse
from opcode_htmx.engines.claude.demo.script import (
    Request,
    Scene,
    Text,
    Thinking,
    ToolUse,
    Turn,
)
from opcode_htmx.lib.dataclass import dataclass

TOUR_SECONDS = 120.0
_TEXTS = Path(__file__).with_name("texts")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggested prompt: its text, and a label of a few words."""

    prompt_text: str
    label: str


OVERVIEW = Suggestion("What can I do here?", "A formatted answer")
RUN_TOOL = Suggestion("Run the app and save its report", "A tool that asks first")
EDIT_FILE = Suggestion("Fix the bug in app.py", "An edit with its diff")
ASK_ME = Suggestion("Ask me where I will use this", "A question with choices")
TOUR = Suggestion("Give me the long tour", "A long answer to stop")

SUGGESTIONS = (OVERVIEW, RUN_TOOL, EDIT_FILE, ASK_ME, TOUR)


def demo_scenes(sample_project: Path) -> tuple[Scene, ...]:
    """The scenes, for a sample project at this absolute path."""
    stage = _Stage(sample_project)
    return (
        Scene("overview", _asks(OVERVIEW, "markdown"), [Text(_read("overview.md"))]),
        Scene("run a tool", _asks(RUN_TOOL, "report"), [stage.run_app, stage.after_run]),
        Scene(
            "edit a file",
            _asks(EDIT_FILE, "fix"),
            [stage.read_app, stage.edit_app, stage.after_edit],
        ),
        Scene("ask", _asks(ASK_ME, "ask me"), [_question, _after_question]),
        Scene("tour", _asks(TOUR, "tour"), [_tour()]),
        Scene("anything else", "", [Text(_welcome())]),
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """The scenes that work in the sample project."""

    folder: Path

    @property
    def app(self) -> Path:
        return self.folder / "app.py"

    def run_app(self, request: Request) -> Turn:
        command = "python3 app.py README.md > report.txt && cat report.txt"
        if request.working_directory != str(self.folder):
            command = f"cd {shlex.quote(str(self.folder))} && {command}"
        return (
            Thinking("The app prints its report. Saving it writes a file, so I need permission."),
            Text("I will run the app on its own README and save what it says in `report.txt`."),
            ToolUse("Bash", {"command": command, "description": "Save a reading-time report"}),
        )

    def after_run(self, request: Request) -> Turn:
        if _refused(request):
            return (
                Text(
                    "All right, I have not run it, and nothing was written. "
                    "A denied tool is simply not used; tell me what you would rather have."
                ),
            )
        return (
            Text(
                "Done: the report is in `report.txt`, and its text is in the card above. "
                "Claude ran that command on your computer, and only after you allowed it.\n\n"
                "If it says *0 min*, you have found the bug. "
                f"Ask me: **{EDIT_FILE.prompt_text}**."
            ),
        )

    def read_app(self, request: Request) -> Turn:
        return (
            Text("I will look at the code first."),
            ToolUse("Read", {"file_path": str(self.app)}),
        )

    def edit_app(self, request: Request) -> Turn:
        code = self._code()
        if not code:
            return (Text("I could not read `app.py`. It comes back when the demo starts again."),)
        if _refused(request):
            return (Text("All right, I will leave the file unread and unchanged."),)
        if sample.FLAW in code:
            return (
                Text(
                    "Here it is: `//` rounds down, so a text of less than a minute takes no time. "
                    "I will round to the nearest minute, and to one at least."
                ),
                self._edit(sample.FLAW, sample.FIX),
            )
        if sample.FIX in code:
            return (
                Text(
                    "The bug is fixed already: `app.py` no longer rounds short texts down to "
                    "nothing. For another try I will put it back, if you allow it."
                ),
                self._edit(sample.FIX, sample.FLAW),
            )
        return (
            Text(
                "I do not find the bug: `app.py` was changed. Delete the file and restart the "
                "demo, and it comes back as it was."
            ),
        )

    def _code(self) -> str:
        """The text of the app; empty if it cannot be read."""
        try:
            return self.app.read_text(encoding="utf-8")
        except OSError:
            return ""

    def _edit(self, old: str, new: str) -> ToolUse:
        strings = {"old_string": old, "new_string": new}
        return ToolUse("Edit", {"file_path": str(self.app), **strings, "replace_all": False})

    def after_edit(self, request: Request) -> Turn:
        if _refused(request):
            return (Text("All right, `app.py` stays as it was."),)
        if sample.FLAW in self._code():
            return (
                Text(f"The bug is back, for another try. Ask me: **{EDIT_FILE.prompt_text}**."),
            )
        return (
            Text(
                "Fixed. The card above shows the change line by line, and the file on disk has "
                "it. The tests agree now: `python3 -m unittest`."
            ),
        )


_QUESTION = "Where will you use opcode-htmx most?"
_CHOICES = {
    "At home": (
        "Phone and computer in one network",
        "Then the address that the server printed for your network is all you need. "
        "Add it to the home screen, and it opens like an app.",
    ),
    "On the road": (
        "The computer stays where it is",
        "Then put both devices into a private network, with WireGuard or Tailscale for example, "
        "and keep the port closed to the internet: plain http hides nothing on the way.",
    ),
    "At the desk": (
        "In a browser on the same machine",
        "Then keep it open beside the editor. The page uses the width, and your phone can take "
        "over in mid-answer when you get up.",
    ),
}


def _question(request: Request) -> Turn:
    options = [{"label": label, "description": what} for label, (what, _) in _CHOICES.items()]
    question = {
        "question": _QUESTION,
        "header": "Workspace",
        "multiSelect": False,
        "options": options,
    }
    return (ToolUse("AskUserQuestion", {"questions": [question]}),)


def _after_question(request: Request) -> Turn:
    answer = request.last_tool_result
    if answer is None or answer.is_error:
        return (Text("No answer is an answer too. You can ask me anything else."),)
    for label, (_, advice) in _CHOICES.items():
        if f'="{label}"' in answer.text:
            return (Text(f"**{label}**, good. {advice}"),)
    return (Text("Thank you. I had no advice prepared for that one, but it will work there too."),)


def _tour() -> Text:
    text = _read("tour.md")
    return Text(text, pace=TOUR_SECONDS / len(sse.pieces(text)))


def _welcome() -> str:
    prompts = "\n".join(
        f"- **{s.prompt_text}** ({s.label[0].lower()}{s.label[1:]})" for s in SUGGESTIONS
    )
    return (
        "This is the demo: a short script plays the model, so I can only answer what I have "
        "rehearsed. The Claude CLI that runs it, its tools and its files are real.\n\n"
        f"Ask me one of these:\n\n{prompts}\n\n"
        "To talk to the real model, log in on the computer by starting `claude` in a terminal, "
        "and restart the server."
    )


def _asks(suggestion: Suggestion, keyword: str) -> Callable[[str], bool]:
    wanted = suggestion.prompt_text.casefold()

    def matches(prompt: str) -> bool:
        said = prompt.strip().casefold()
        return said == wanted or keyword in said

    return matches


def _refused(request: Request) -> bool:
    result = request.last_tool_result
    return result is not None and result.is_error


def _read(name: str) -> str:
    return (_TEXTS / name).read_text(encoding="utf-8")
