"""Slash commands and skills, read from the files in which people keep them.

For sessions without a live run; one that runs tells its commands itself, with the built-in ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from .. import confined
from .capabilities import Command

Scope = Literal["project", "user"]

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_READ = 64 * 1024
_MOST = 500
_NAME = re.compile(r"[\w:.-]{1,100}")
_TOOLS = re.compile(r"(?:[^,(]|\([^)]*\))+")
_REFERENCE = re.compile(r"(?:^|\s)@[^\s@]")
_ARGUMENTS = re.compile(r"\$(?:ARGUMENTS|[0-9])")


@dataclass(frozen=True, slots=True)
class CommandFile:
    """A command or skill as a person wrote it. `content` is what stands below its header."""

    name: str
    scope: Scope
    namespace: str
    path: Path
    description: str
    argument_hint: str
    allowed_tools: tuple[str, ...]
    content: str

    @property
    def full_name(self) -> str:
        """What is typed behind the slash: `frontend/test.md` is `/frontend:test`."""
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
        command = Command(each.full_name, each.description, each.argument_hint)
        found.setdefault(command.name, command)
    return sorted(found.values())


def files(project: Path | None, config_dir: Path) -> Iterator[CommandFile]:
    """What a project and the person have written down, each as it is; the project's come first."""
    if project is not None:
        yield from _in(project / ".claude", "project", project)
    yield from _in(config_dir, "user")


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


def _in(root: Path, scope: Scope, confines: Path | None = None) -> Iterator[CommandFile]:
    """What lies below `root`; no file is read that lies outside of `confines`."""
    commands = root / "commands"
    for path in _found(commands, "**/*.md", confines):
        namespace = ":".join(path.relative_to(commands).parent.parts)
        yield from _command(path, path.stem, namespace, scope, confines)
    for path in _found(root / "skills", "*/SKILL.md", confines):
        yield from _command(path, path.parent.name, "", scope, confines)


def _found(folder: Path, pattern: str, confines: Path | None) -> list[Path]:
    if confines and not confined.is_inside(folder, confines):
        return []
    try:
        return [path for path, _ in zip(sorted(folder.glob(pattern)), range(_MOST), strict=False)]
    except OSError:
        return []


def _command(
    path: Path, name: str, namespace: str, scope: Scope, confines: Path | None
) -> Iterator[CommandFile]:
    if not _NAME.fullmatch(":".join(filter(None, (namespace, name)))):
        return
    try:
        text = _text(path, confines)
    except OSError:
        return
    header = _FRONT_MATTER.match(text)
    fields = _fields(header[1]) if header else {}
    if fields.get("user-invocable") is False:
        return
    content = text[header.end() :] if header else text
    first = next((line.strip("# \t") for line in content.splitlines() if line.strip("- \t")), "")
    yield CommandFile(
        name=name,
        scope=scope,
        namespace=namespace,
        path=path,
        description=_line(fields.get("description") or first),
        argument_hint=_line(fields.get("argument-hint")),
        allowed_tools=tuple(_tools(fields.get("allowed-tools"))),
        content=content,
    )


def _text(path: Path, confines: Path | None) -> str:
    """The beginning of a file. Raises OSError, also where it lies outside of `confines`.

    A person's own files may be links to wherever they keep them; what is behind one must be named
    like a command.
    """
    target = path.resolve()
    if not target.name.endswith(path.suffix):
        raise OSError(f"{path} is a link to something else")
    with confined.open_file(target, confines or target.parent) as file:
        return file.read(_READ).decode("utf-8", "replace")


def _fields(header: str) -> dict[str, object]:
    try:
        fields = yaml.safe_load(header)
    except (yaml.YAMLError, ValueError, RecursionError):
        # People write `argument-hint: [a] [b]`, which is no YAML; what can be read, is
        pairs = (line.partition(":") for line in header.splitlines())
        return {key.strip(): value.strip() for key, colon, value in pairs if colon}
    return fields if isinstance(fields, dict) else {}


def _tools(value: object) -> Iterator[str]:
    """`Bash(git add:*, git rm:*), Read` are two, and so are the entries of a list."""
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if isinstance(text, str):
            yield from filter(None, (each.strip() for each in _TOOLS.findall(text)))


def _line(value: object) -> str:
    if isinstance(value, list):  # `argument-hint: [file]` is a list to YAML
        return " ".join(f"[{each}]" for each in value)
    return " ".join(value.split()) if isinstance(value, str) else ""
