"""Make the cards of commands: the command, its output, and its exit status."""

from __future__ import annotations

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup import ansi
from opcode_htmx.rendering.cards.parts import (
    SHOWN_CHARACTERS,
    Call,
    ColouredText,
    ToolView,
    cut,
    first_line,
    text_of,
)

_EXIT = late_pattern(r"(?:Error: )?Exit code (\d+)(?:\n|$)")
_NOTHING = "(Bash completed with no output)"


def bash(call: Call) -> ToolView:
    command = call.text("command")
    printed = output(call)
    status = _EXIT.match(call.output) if call.failed else None
    return ToolView(
        title="Bash",
        summary=first_line(command) if command.strip() else first_line(call.text("description")),
        outcome=_outcome(call, status[1] if status else ""),
        command=cut(command) if command.strip() else None,
        note=_note(call, printed),
        shown=coloured(printed),
    )


def output(call: Call) -> str:
    """The output of a command, stdout before stderr, as far as Claude has kept it."""
    result = call.result
    streams = [text_of(result.get(name)).rstrip("\n") for name in ("stdout", "stderr")]
    if any(streams):
        return "\n".join(filter(None, streams))
    if result.get("backgroundTaskId"):
        return ""
    text = call.printed
    return "" if text.strip() == _NOTHING else _EXIT.sub("", text, count=1) if call.failed else text


def result_text(call: Call) -> str:
    """The output of a command, after its exit status if it failed."""
    status = _EXIT.match(call.output) if call.failed else None
    return "\n".join(filter(None, (status and status[0].strip(), output(call))))


def coloured(text: str) -> ColouredText | None:
    """Terminal output with its colours, cut to SHOWN_CHARACTERS; None if it is blank."""
    shown = ansi.spans(text[:SHOWN_CHARACTERS])
    return ColouredText(shown, max(0, len(text) - SHOWN_CHARACTERS)) if text.strip() else None


def _outcome(call: Call, status: str) -> str:
    if status:
        return f"exit {status}"
    if call.result.get("backgroundTaskId"):
        return "in the background"
    return text_of(call.result.get("returnCodeInterpretation"))


def _note(call: Call, printed: str) -> str:
    if call.input.get("dangerouslyDisableSandbox") is True and not call.output:
        return "It is to run outside of the sandbox."
    if printed.strip() or not call.output or call.rejected:
        return ""
    if call.result.get("backgroundTaskId"):
        return "It goes on in the background."
    return "It printed nothing."
