"""Slash commands and skills, read from the files in which people keep them.

For sessions without a live run; a live one lists its commands itself, with the built-in ones.
A project's files are untrusted: headers are short, hold no aliases and hardly nest, and reading
them takes a bounded time, in a thread. A file that exceeds that is listed without a description.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Literal

from opcode_htmx.engines.capabilities import Command
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.late.patterns import late_pattern

Scope = Literal["project", "user"]

LONGEST_HEADER = 4096
"""Characters between the two lines of `---`."""
SECONDS = 0.5
"""Of the CPU, for all headers of one listing."""
MOST_ENTRIES = 20_000
"""The most files and folders that are searched for commands."""

_FENCE = late_pattern(r"^---[ \t]*\r?$\n?", re.MULTILINE)
_READ = 64 * 1024
_MANY = 10**15
"""No number in a hint is as large; Python refuses to write very long ones."""
_MOST = 500
_NAME = late_pattern(r"[\w:.-]{1,100}")
_REFERENCE = late_pattern(r"(?:^|\s)@[^\s@]")
_ARGUMENTS = late_pattern(r"\$(?:ARGUMENTS|[0-9])")


@dataclass(frozen=True, slots=True)
class CommandFile:
    """A command or skill as a person wrote it. `content` is the text below its header.

    `problem` is why the header was not read; then there is no description.
    """

    name: str
    scope: Scope
    namespace: str
    path: Path
    description: str
    argument_hint: str
    allowed_tools: tuple[str, ...]
    content: str
    problem: str = ""

    @property
    def full_name(self) -> str:
        """The name after the slash: `frontend/test.md` is `/frontend:test`."""
        return ":".join(filter(None, (self.namespace, self.name)))

    @property
    def runs_commands(self) -> bool:
        return "!`" in self.content

    @property
    def refers_to_files(self) -> bool:
        return _REFERENCE.search(self.content) is not None

    @property
    def takes_arguments(self) -> bool:
        return bool(self.argument_hint) or _ARGUMENTS.search(self.content) is not None


def on_disk(project: Path, config_dir: Path) -> list[Command]:
    """The commands and skills of a project and of the person; the project's come first."""
    found: dict[str, Command] = {}
    for each in files(project, config_dir):
        command = Command(each.full_name, each.description or each.problem, each.argument_hint)
        found.setdefault(command.name, command)
    return sorted(found.values())


def files(project: Path | None, config_dir: Path) -> list[CommandFile]:
    """What a project and the person have written down, each as it is; the project's come first.

    Others have their turn while it is read.
    """
    return run_cpu_in_thread(_files, project, config_dir)


def _files(project: Path | None, config_dir: Path) -> list[CommandFile]:
    deadline = time.thread_time() + SECONDS
    found = list(_in(config_dir, "user", deadline)) if project is None else []
    if project is not None:
        found += _in(project / ".claude", "project", deadline, project)
        found += _in(config_dir, "user", deadline)
    return found


def matching(commands: Iterable[Command], query: str) -> list[Command]:
    """Those whose name begins with `query`, then those that hold it, in a word of it or at all."""
    query = query.lower()

    def rank(command: Command) -> tuple[int, str]:
        name = command.name.lower()
        at = name.find(query)
        if at <= 0:
            return at * 9, name  # it begins with it
        return 1 if name[at - 1] in ":-_." else 2, name

    return sorted((c for c in commands if query in c.name.lower()), key=rank)


def _in(
    root: Path, scope: Scope, deadline: float, confines: Path | None = None
) -> Iterator[CommandFile]:
    """The commands and skills below `root`; no file outside of `confines` is read."""
    commands = root / "commands"
    for path in markdown_files(commands, confines):
        namespace = ":".join(path.relative_to(commands).parent.parts)
        yield from _command(path, path.stem, namespace, scope, deadline, confines)
    for path in skill_files(root / "skills", confines):
        yield from _command(path, path.parent.name, "", scope, deadline, confines)


def markdown_files(folder: Path, confines: Path | None) -> list[Path]:
    """The Markdown files below a folder; linked folders are not entered."""
    if confines and not confined.is_inside(folder, confines):
        return []
    found: list[Path] = []
    seen = 0
    for inside, folders, names in os.walk(folder):
        seen += len(folders) + len(names)
        found += (Path(inside, name) for name in names if name.endswith(".md"))
        if seen > MOST_ENTRIES:
            break
    return sorted(found)[:_MOST]


def skill_files(folder: Path, confines: Path | None) -> list[Path]:
    """The SKILL.md of each folder in a folder."""
    if confines and not confined.is_inside(folder, confines):
        return []
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, MOST_ENTRIES))
    except OSError:
        return []
    files = (folder / name / "SKILL.md" for name in names)
    return list(islice(filter(Path.is_file, files), _MOST))


def _command(
    path: Path,
    name: str,
    namespace: str,
    scope: Scope,
    deadline: float,
    confines: Path | None,
) -> Iterator[CommandFile]:
    if not _NAME.fullmatch(":".join(filter(None, (namespace, name)))):
        return
    try:
        text = beginning(path, confines)
    except OSError:
        return
    header, content = split(text)
    fields: dict[str, object] = {}
    problem = ""
    if len(header) > LONGEST_HEADER:
        problem = f"No description: its header is longer than {LONGEST_HEADER:,} characters."
    elif header and time.thread_time() > deadline:
        problem = "No description: reading the headers of all commands takes too long."
    else:
        fields = _fields(header)
    if fields.get("user-invocable") is False:
        return
    lines = [] if problem else content.splitlines()
    first = next((line.strip("# \t") for line in lines if line.strip("- \t")), "")
    yield CommandFile(
        name=name,
        scope=scope,
        namespace=namespace,
        path=path,
        description=as_line(fields.get("description") or first),
        argument_hint=as_line(fields.get("argument-hint")),
        allowed_tools=tuple(tools_of(fields.get("allowed-tools"))),
        content=content,
        problem=problem,
    )


def beginning(path: Path, confines: Path | None) -> str:
    """The beginning of a file. Raises OSError, also where it lies outside of `confines`.

    A person's own files may be links to wherever they keep them; what is behind one must be named
    like a command.
    """
    try:
        target = path.resolve()
    except RuntimeError as error:  # links that lead in a circle
        raise OSError(f"{path} leads to no file") from error
    if not target.name.endswith(path.suffix):
        raise OSError(f"{path} is a link to something else")
    with confined.open_file(target, confines or target.parent) as file:
        return file.read(_READ).decode("utf-8", "replace")


def split(text: str) -> tuple[str, str]:
    """The header, empty if there is none, and the text below it."""
    opening = _FENCE.match(text)
    closing = _FENCE.search(text, opening.end()) if opening and opening[0].endswith("\n") else None
    if opening is None or closing is None:
        return "", text
    return text[opening.end() : closing.start()], text[closing.end() :]


@lru_cache(maxsize=1024)
def _fields(header: str) -> dict[str, object]:
    # Imported late: the library takes 10 ms of the start
    from opcode_htmx.engines.claude.config import command_header

    return command_header.fields(header)


def tools_of(value: object) -> Iterator[str]:
    """`Bash(git add:*, git rm:*), Read` are two, and so are the entries of a list."""
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if isinstance(text, str):
            yield from filter(None, (each.strip() for each in _listed(text)))


def _listed(text: str) -> Iterator[str]:
    """The parts of a text between commas, but for those inside of brackets."""
    begin, inside, last = 0, False, text.rfind(")")
    for at, sign in enumerate(text):
        if sign in "()" and at <= last:
            inside = sign == "("
        elif sign in ",(" and not inside:
            yield text[begin:at]
            begin = at + 1
    yield text[begin:]


def as_line(value: object) -> str:
    """A value of a header as a line of text."""
    if isinstance(value, list):  # `argument-hint: [file]` is a list to YAML
        return " ".join(f"[{each}]" for each in value if not isinstance(each, int) or each < _MANY)
    return " ".join(value.split()) if isinstance(value, str) else ""
