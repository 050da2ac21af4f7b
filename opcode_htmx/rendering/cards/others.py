"""Make the cards of other tools: agents, the web, to-do lists, questions, plans, and any tool."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.addresses.links import Link, link, links
from opcode_htmx.rendering.cards.commands import coloured
from opcode_htmx.rendering.cards.parts import (
    Call,
    ToolView,
    cut,
    first_line,
    number,
    plain,
    plural,
    pretty,
    text_of,
)
from opcode_htmx.transcript.cli_text import as_json
from opcode_htmx.transcript.content import other_content
from opcode_htmx.transcript.todos import progress_text

_SUMMARY_KEYS = (
    *("command", "pattern", "query", "url", "description", "prompt", "skill", "subject"),
    *("file_path", "notebook_path", "path", "message", "name", "id"),
)
_PATHS = frozenset({"file_path", "notebook_path", "path"})
_HAND_BACK = late_pattern(r"\[Subagent hand-back\][^\n]*The report follows:\n")
_AGENT_NOTES = "agentId: ", "<usage>"
"""The prefixes of lines that the CLI adds to an agent's report, for the model."""
_TOOLS_NOTE = "<tools-used-before-summary>", "</tools-used-before-summary>"
_SEARCH_NOTE = "REMINDER: You MUST include the sources"


def any_tool(call: Call) -> ToolView:
    """The card of a tool that has no function of its own."""
    in_order = other_content.parts(call.parts) if has_others(call) else ()
    return ToolView(
        title=title(call.name),
        summary=_summary(call),
        command=cut(as_json(call.input)) if call.input else None,
        shown=None if in_order else coloured(pretty(call.printed)),
        parts=in_order,
    )


def has_others(call: Call) -> bool:
    """Whether the result has content that is neither text nor image."""
    return bool(other_content.others(call.parts))


def title(name: str) -> str:
    if name.startswith("mcp__"):
        server, _, tool = name.removeprefix("mcp__").partition("__")
        return f"{first_line(server)}: {first_line(tool)}"
    return first_line(name)


def _summary(call: Call) -> str:
    for key in _SUMMARY_KEYS:
        if call.text(key).strip():
            return first_line(call.path(key) if key in _PATHS else call.text(key))
    values = (value for value in call.input.values() if isinstance(value, str) and value.strip())
    return first_line(next(values, ""))


def agent(call: Call) -> ToolView:
    result = call.result
    background = result.get("status") == "async_launched"
    report = agent_report(call)
    tools = number(result.get("totalToolUseCount"))
    return ToolView(
        title="Task",
        summary=first_line(call.text("description") or call.text("prompt")),
        outcome="in the background" if background else plural(tools, "tool call") if tools else "",
        command=cut(call.text("prompt")) if call.text("prompt") else None,
        said="" if call.failed else report,
        shown=plain(report) if call.failed else None,
    )


def agent_report(call: Call) -> str:
    """The report of an agent, without the frame that the CLI adds for the model."""
    if call.result.get("status") == "async_launched":
        return ""
    parts = [each for each in _list(call.result, "content") if isinstance(each, dict)]
    if report := "\n".join(filter(None, (text_of(part.get("text")) for part in parts))):
        return _without_tools_note(report)
    text = _without_tools_note(_before_notes(call.printed, *_AGENT_NOTES))
    if frame := _HAND_BACK.match(text):
        return textwrap.dedent(text[frame.end() :])
    return text


def _before_notes(text: str, *notes: str) -> str:
    """The text before the first line that begins with one of `notes`."""
    starts = (0 if text.startswith(note) else text.find(f"\n{note}") for note in notes)
    first = min((start for start in starts if start >= 0), default=-1)
    return text if first < 0 else text[:first].rstrip("\n")


def _without_tools_note(text: str) -> str:
    """The text without the first note on the tools that an agent used, and the space around it."""
    opening, closing = _TOOLS_NOTE
    before, _, rest = text.partition(opening)
    _, closed, after = rest.partition(closing)
    return before.rstrip() + after.lstrip() if closed else text


def fetch(call: Call) -> ToolView:
    """The card of WebFetch."""
    url, status = call.text("url"), number(call.result.get("code"))
    address = link(url)
    return ToolView(
        title="WebFetch",
        summary=urlsplit(address.url).netloc if address else first_line(url),
        outcome=f"status {status}" if status is not None and status >= 300 else "",
        links=(address,) if address else (),
        command=cut(call.text("prompt") if address else as_json(call.input)),
        said="" if call.failed else call.printed,
        shown=plain(call.printed) if call.failed else None,
    )


def web_search(call: Call) -> ToolView:
    """The card of WebSearch."""
    results = call.result.get("results")
    results = results if isinstance(results, list) else []
    pages = [page for each in results if isinstance(each, dict) for page in _list(each, "content")]
    found = links(pages)
    answer = _search_answer(call, results, found)
    return ToolView(
        title="WebSearch",
        summary=f'"{first_line(call.text("query"))}"',
        outcome=plural(len(found), "result") if found else "",
        links=found,
        said="" if call.failed else answer,
        shown=plain(answer) if call.failed else None,
    )


def web_search_text(call: Call) -> str:
    """The results of a search as plain text."""
    view = web_search(call)
    pages = "\n".join(f"{each.text}: {each.url}" for each in view.links)
    answer = call.printed if call.failed else view.said
    return "\n\n".join(filter(None, (pages, answer)))


def _search_answer(call: Call, results: list[object], found: tuple[Link, ...]) -> str:
    texts = "\n\n".join(each for each in results if isinstance(each, str))
    return texts or ("" if found else _before_notes(call.printed, _SEARCH_NOTE))


def todo_write(call: Call) -> ToolView:
    """The card of TodoWrite."""
    return _quiet_unless_failed(call, "To-do list", progress_text(call.input.get("todos")))


def task_tool(call: Call) -> ToolView:
    """The card of TaskCreate, TaskUpdate and the like, which change the same list step by step."""
    names = {"TaskCreate": "New task", "TaskUpdate": "Task", "TaskList": "Tasks", "TaskGet": "Task"}
    task = call.text("subject") or (f"#{call.text('taskId')}" if call.text("taskId") else "")
    status = call.text("status").replace("_", " ")
    summary = " ".join(filter(None, (task, status)))
    return _quiet_unless_failed(call, names[call.name], summary)


def _quiet_unless_failed(call: Call, name: str, summary: str) -> ToolView:
    if not call.failed:
        return ToolView(title=name, summary=summary, quiet=True)
    return ToolView(title=name, summary=summary, shown=plain(call.printed))


def questions(call: Call) -> ToolView:
    """The card of AskUserQuestion."""
    answers = _answers(call.result.get("answers"), call.result.get("annotations"))
    raw = [each for each in _list(call.input, "questions") if isinstance(each, dict)]
    asked = [text_of(each.get("question")) for each in raw]
    none = "No answer" if call.failed or call.output else ""
    return ToolView(
        title="Question" if len(asked) == 1 else "Questions",
        summary=first_line(asked[0]) if asked else "",
        outcome=first_line(answers.get(asked[0], "")) if len(asked) == 1 else "",
        answers=tuple(
            (text, answers.get(text) or "\n".join(filter(None, (none, *_choices(each)))))
            for text, each in zip(asked, raw, strict=True)
        ),
        command=None if asked or not call.input else cut(as_json(call.input)),
        shown=plain(call.printed) if call.failed else None,
    )


def _choices(question: Mapping[str, object]) -> Iterator[str]:
    """The choices of a question, one a line."""
    for each in _list(question, "options"):
        if isinstance(each, dict):
            texts = text_of(each.get("label")), text_of(each.get("description"))
            yield "• " + ": ".join(filter(None, map(first_line, texts)))


def answers_text(call: Call) -> str:
    """The questions with their answers, as plain text."""
    if call.failed:
        return call.printed
    return "\n".join(f"{asked} {answer}" for asked, answer in questions(call).answers)


def _answers(answers: object, annotations: object) -> dict[str, str]:
    """The answers by question, with the user's notes."""
    by_question = annotations if isinstance(annotations, dict) else {}
    found = {}
    for question, answer in answers.items() if isinstance(answers, dict) else ():
        annotation = by_question.get(question)
        note = text_of(annotation.get("notes")) if isinstance(annotation, dict) else ""
        found[question] = "\n".join(filter(None, (text_of(answer), note and f"Note: {note}")))
    return found


def plan(call: Call) -> ToolView:
    """The card of ExitPlanMode."""
    text = call.text("plan") or text_of(call.result.get("plan"))
    other = {key: value for key, value in call.input.items() if key != "plan"}
    return ToolView(
        title="Plan",
        summary=first_line(text).lstrip("# "),
        plan=text,
        command=cut(as_json(call.input)) if other and not text else None,
        shown=plain(call.printed) if call.failed else None,
    )


def _list(value: Mapping[str, object], key: str) -> list[object]:
    found = value.get(key)
    return found if isinstance(found, list) else []
