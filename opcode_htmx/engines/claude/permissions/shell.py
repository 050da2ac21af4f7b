"""Split a shell command into the single commands that Claude judges one by one. Pure.

This is no shell: what it cannot follow is noted as a doubt, and Claude asks about such commands,
too. The commands inside of it are found nevertheless, because rules that deny or ask apply there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

LONGEST = 10_000
"""Characters of a command that is split."""
_DEEPEST = 20
_SKIPPED = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "time"})
"""Words in front of a command."""
_CLOSING = frozenset({"done", "fi", "esac"})
_ASSIGNMENT = late_pattern(r"[A-Za-z_]\w{0,100}\+?=")
_NAME = late_pattern(r"\{[^}]{0,200}\}|\w{1,100}|[?$!@*#-]")
"""A variable behind its dollar sign."""
_BRACES = late_pattern(r"\{[^{}\s]{0,200}(?:,|\.\.)[^{}\s]{0,200}\}")


@dataclass(slots=True)
class Command:
    """One command: its text without assignments in front and without redirections."""

    words: list[str] = field(default_factory=list)
    """As they stand in the text."""
    plain: list[str] = field(default_factory=list)
    """Without quotation marks."""
    spaces: list[str] = field(default_factory=list)
    """What stands in front of each word."""
    assignments: list[str] = field(default_factory=list)
    """The names of the variables that are set for it."""
    written: list[str] = field(default_factory=list)
    """The files that its output is redirected to."""
    read: list[str] = field(default_factory=list)
    """The files that its input comes from."""
    has_variable: bool = False
    """Whether a word holds a variable, which may be anything."""

    @property
    def text(self) -> str:
        return self.text_from(0)

    def text_from(self, first: int) -> str:
        """The text from one of its words on, spaced as it was written."""
        pairs = zip(self.spaces[first:], self.words[first:], strict=True)
        return "".join(space + word for space, word in pairs).lstrip()

    @property
    def is_empty(self) -> bool:
        return not (self.words or self.assignments or self.written or self.read)


@dataclass(slots=True)
class Script:
    """The commands of a text, in order."""

    commands: list[Command] = field(default_factory=list)
    nested: list[Command] = field(default_factory=list)
    """Those in substitutions and groups."""
    doubts: list[str] = field(default_factory=list)
    """What makes Claude look at it more closely, for people: “a subshell”."""

    def every(self) -> Iterator[Command]:
        yield from self.commands
        yield from self.nested


def split(text: str) -> Script:
    """The commands in a text, of which only the first LONGEST characters are looked at."""
    script = Script()
    scanner = _Scanner(text[:LONGEST].replace("\\\n", ""), script, 0)
    scanner.run()
    if len(text) > LONGEST:
        script.doubts.append("its length")
    script.doubts = list(dict.fromkeys(script.doubts))
    return script


class _Scanner:
    """Reads a text from left to right."""

    def __init__(self, text: str, script: Script, depth: int) -> None:
        self._text = text
        self._script = script
        self._depth = depth
        self._at = 0
        self._command = Command()
        self._in_for = False
        self._documents: list[tuple[str, bool]] = []
        """The words that end the here-documents of this line, each with whether it is quoted."""

    def run(self) -> None:
        """Read all of it into the script."""
        text = self._text
        while self._at < len(text):
            char = text[self._at]
            if char in " \t":
                self._at += 1
            elif char in "\n;":
                self._end(1)
                if char == "\n":
                    self._skip_documents()
            elif text.startswith(("&&", "||", "|&"), self._at):
                self._end(2)
            elif char == "|":
                self._end(1)
            elif text.startswith(("&>", ">", "<"), self._at):
                self._redirection()
            elif char == "&":
                self._doubt("a command in the background")
                self._end(1)
            elif char == "#":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            elif char in "()":
                self._doubt("a subshell")
                self._end(1)
            else:
                self._word()
        self._end(0)

    def _doubt(self, what: str) -> None:
        self._script.doubts.append(what)

    def _end(self, length: int) -> None:
        """The command ends here, in front of an operator of this length."""
        self._at += length
        if not self._command.is_empty:
            found = self._script.nested if self._depth else self._script.commands
            found.append(self._command)
        self._command = Command()
        self._in_for = False

    def _redirection(self) -> None:
        operator = self._operator()
        if self._text.startswith("(", self._at):
            end = _closing(self._text, self._at + 1)
            self._inside(self._at + 1, end)
            return
        while self._text[self._at : self._at + 1] in (" ", "\t"):
            self._at += 1
        raw, plain = self._read_word()
        if operator == "<<":
            self._doubt("a here-document")
            self._documents.append((plain, raw != plain))
        elif operator == "<<<" or (operator.endswith("&") and (plain.isdigit() or plain == "-")):
            pass
        elif operator.startswith("<"):
            self._command.read.append(plain)
        else:
            self._command.written.append("$" if "$" in raw or "`" in raw else plain)

    def _skip_documents(self) -> None:
        """Go behind the here-documents; only the substitutions in them are commands."""
        for word, is_quoted in self._documents:
            lines = self._text[self._at :].split("\n")
            ends = [number for number, line in enumerate(lines) if line.strip("\t") == word]
            body = "\n".join(lines[: ends[0] if ends else len(lines)])
            start = self._at
            if not is_quoted and ("$" in body or "`" in body):
                while self._at < start + len(body):
                    if self._text[self._at] in "$`":
                        self._expansion(quoted=True)
                    else:
                        self._at += 1
            self._at = min(len(self._text), start + len(body) + len(word) + 2)
        self._documents = []

    def _operator(self) -> str:
        for each in ("&>>", "<<<", "<<-", "&>", ">>", ">|", ">&", "<<", "<&", "<>", ">", "<"):
            if self._text.startswith(each, self._at):
                self._at += len(each)
                return "<<" if each == "<<-" else each
        raise AssertionError("no operator")

    def _word(self) -> None:
        start = self._at
        raw, plain = self._read_word()
        command = self._command
        if raw.isdigit() and self._text[self._at : self._at + 1] in ("<", ">"):
            return  # the number of a descriptor
        if not command.words and not self._in_for:
            if raw in _SKIPPED or raw in _CLOSING:
                return
            if raw in ("for", "select"):
                self._in_for = True
                return
            if raw in ("case", "function"):
                self._doubt(f"“{raw}”")
                return
            if raw in ("{", "}"):
                self._doubt("a group")
                return
            if assigned := _ASSIGNMENT.match(raw):
                command.assignments.append(assigned[0].rstrip("+="))
                return
        if self._in_for:
            return
        if _BRACES.search(raw):
            self._doubt("a list in braces")
        before = self._text[:start]
        command.spaces.append(before[len(before.rstrip(" \t")) :] or " ")
        command.words.append(raw)
        command.plain.append(plain)

    def _read_word(self) -> tuple[str, str]:
        """The next word, as it stands and without quotation marks."""
        text, start, plain = self._text, self._at, list[str]()
        while self._at < len(text) and (char := text[self._at]) not in " \t\n;|&<>()":
            if char == "'":
                plain.append(self._single_quoted())
            elif char == '"':
                plain.append(self._double_quoted())
            elif char == "\\":
                plain.append(text[self._at + 1 : self._at + 2])
                self._at += 2
            elif char in "$`":
                plain.append(self._expansion(quoted=False))
            else:
                plain.append(char)
                self._at += 1
        return text[start : self._at], "".join(plain)

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            self._doubt("a quotation mark without an end")
            end = len(self._text)
        found = self._text[self._at + 1 : end]
        self._at = end + 1
        return found

    def _double_quoted(self) -> str:
        text, found = self._text, list[str]()
        self._at += 1
        while self._at < len(text) and text[self._at] != '"':
            char = text[self._at]
            if char == "\\":
                found.append(text[self._at + 1 : self._at + 2])
                self._at += 2
            elif char in "$`":
                found.append(self._expansion(quoted=True))
            else:
                found.append(char)
                self._at += 1
        if self._at >= len(text):
            self._doubt("a quotation mark without an end")
        self._at += 1
        return "".join(found)

    def _expansion(self, *, quoted: bool) -> str:
        """What begins with a dollar sign or a backtick: `$`, for it may become anything."""
        text, start = self._text, self._at
        if text[start] == "`":
            end = text.find("`", start + 1)
            self._inside(start + 1, len(text) if end < 0 else end)
        elif text.startswith("$((", start):
            end = text.find("))", start)
            self._at = len(text) if end < 0 else end + 2
            return "0"
        elif text.startswith("$(", start):
            self._inside(start + 2, _closing(text, start + 2))
        else:
            name = _NAME.match(text, start + 1)
            self._at = name.end() if name else start + 1
            if name or text.startswith("${", start):
                self._command.has_variable = True
                if not quoted:
                    self._doubt("a variable")
        return "$"

    def _inside(self, start: int, end: int) -> None:
        """Read the commands of a substitution."""
        self._doubt("a command in a command")
        self._at = end + 1
        if self._depth < _DEEPEST:
            inner = _Scanner(self._text[start:end], self._script, self._depth + 1)
            inner.run()


def _closing(text: str, start: int) -> int:
    """The place of the parenthesis that closes what begins at `start`."""
    depth, at = 1, start
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "'":
            end = text.find("'", at + 1)
            at = len(text) if end < 0 else end
        elif char in "()":
            depth += 1 if char == "(" else -1
            if not depth:
                return at
        at += 1
    return len(text)
