"""Syntax highlighting: code as spans, by the lexers of Pygments.

There are few classes, with short names, because every span is sent; other tokens stay plain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.spans import Span, merge

if TYPE_CHECKING:  # Pygments is imported with the first code: most starts show none
    from pygments.lexer import Lexer
    from pygments.token import _TokenType

_LANGUAGES = frozenset(
    {
        *("bash", "bat", "c", "c++", "clojure", "cmake", "csharp", "css", "dart", "diff", "docker"),
        *("elixir", "erlang", "fish", "go", "graphql", "groovy", "haskell", "html", "ini", "java"),
        *("javascript", "json", "jsx", "julia", "kotlin", "latex", "less", "lua", "make"),
        *("markdown", "nginx", "objective-c", "ocaml", "perl", "php", "powershell", "protobuf"),
        *("python", "r", "rst", "ruby", "rust", "scala", "scss", "sql", "swift", "terraform"),
        *("toml", "tsx", "typescript", "vim", "vue", "xml", "yaml", "zig"),
    }
)
"""The common ones of Pygments' hundreds; some lexers of the others take almost forever."""

_ALIASES = {"console": "bash", "shell-session": "bash", "pycon": "python"}

SHORT = 500
"""Characters of code that take a few milliseconds in the worst case; longer code takes a thread."""
LONGEST = 10_000
LONGEST_FILE = 200_000
"""The same where only lines from its beginning on are shown."""
PIECE = LONGEST - 500
"""Characters of a piece of a file that is coloured in pieces."""
LONGEST_LINE = 500
"""Characters; longer code stays plain."""

SECONDS = 0.25
"""CPU time; code that takes longer was hardly written by a person, and stays plain."""

TOO_LONG = "Shown without colours: too long."

_LONG_LINE = late_pattern(rf"[^\n]{{{LONGEST_LINE + 1}}}|\s{{200}}")
"""The time of lexers grows with the square of the length of a line or a gap."""


@cache
def _styles() -> dict[_TokenType, str]:
    from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String

    return {
        Comment: "c",
        Comment.Preproc: "k",
        Keyword: "k",
        Keyword.Constant: "n",
        Operator.Word: "k",
        String: "s",
        Number: "n",
        Name.Function: "f",
        Name.Class: "f",
        Name.Decorator: "f",
        Name.Tag: "k",
        Name.Attribute: "f",
        Name.Builtin: "f",
        Generic.Inserted: "s",
        Generic.Deleted: "d",
        Generic.Heading: "k",
        Generic.Subheading: "k",
        Generic.Prompt: "c",
    }


def prepare() -> None:
    """Load what the first code needs; meant for a thread."""
    _styles()
    _lexer_by_name("json")


class Highlighted(NamedTuple):
    """Code as spans; `note` says why it has no colours if its language is known."""

    spans: tuple[Span, ...]
    note: str = ""


def code(text: str, language: str) -> Highlighted:
    """Highlight code; `language` is as in a fenced block; plain if it is unknown."""
    return _highlighted(text, _lexer_by_name(language.strip().lower()[:40]))


def file(text: str, name: str) -> Highlighted:
    """Highlight the content of a file; its name gives the language."""
    return _highlighted(text, _lexer_by_file(name.rpartition("/")[2][-80:]))


def file_lines(text: str, name: str, last: int) -> list[tuple[Span, ...]]:
    """The lines of a file until the one with the number `last`, each as spans without line feeds.

    Empty where they would have no colours: the language is not known, or it would take too long.
    To be called in a thread, see `run_cpu_in_thread`.
    """
    lexer = _lexer_by_file(name.rpartition("/")[2][-80:])
    if lexer is None or len(text) > LONGEST_FILE or _LONG_LINE.search(text):
        return []
    start, lines = time.thread_time(), [list[Span]()]
    for type_, value in lexer.get_tokens(text):
        style, (first, *others) = _style(type_), value.split("\n")
        lines[-1].append(Span(style, first))
        lines += [[Span(style, each)] for each in others]
        if len(lines) > last:
            break
        if time.thread_time() - start > SECONDS:
            return []
    return [merge(each) for each in lines]


def _highlighted(text: str, lexer: Lexer | None) -> Highlighted:
    if lexer is None or not text.strip():
        return Highlighted(_plain(text))
    if len(text) > LONGEST or _LONG_LINE.search(text):
        return Highlighted(_plain(text), TOO_LONG)
    return (
        _coloured(text, lexer) if len(text) <= SHORT else run_cpu_in_thread(_coloured, text, lexer)
    )


def _plain(text: str) -> tuple[Span, ...]:
    return (Span("", text),) if text else ()


def _coloured(text: str, lexer: Lexer) -> Highlighted:
    start, spans = time.thread_time(), list[Span]()
    for type_, value in lexer.get_tokens(text):
        spans.append(Span(_style(type_), value))
        if time.thread_time() - start > SECONDS:
            return Highlighted(_plain(text), TOO_LONG)
    # The result of a lexer that changes the text, such as by adding a line end, is not used
    is_unchanged = "".join(value for _, value in spans) == text
    return Highlighted(merge(spans) if is_unchanged else _plain(text))


@lru_cache(maxsize=256)
def _style(type_: _TokenType) -> str:
    ancestor: _TokenType | None = type_
    while ancestor is not None:
        if ancestor in _styles():
            return _styles()[ancestor]
        ancestor = ancestor.parent
    return ""


@lru_cache(maxsize=128)
def _lexer_by_name(name: str) -> Lexer | None:
    from pygments.lexers import get_lexer_by_name

    return _find_lexer(get_lexer_by_name, _ALIASES.get(name, name))


@lru_cache(maxsize=256)
def _lexer_by_file(name: str) -> Lexer | None:
    from pygments.lexers import get_lexer_for_filename

    return _find_lexer(get_lexer_for_filename, name)


def _find_lexer(find: Callable[..., Lexer], name: str) -> Lexer | None:
    from pygments.util import ClassNotFound

    try:
        # In a thread, as it imports and compiles a module, which takes up to 0.3 seconds
        lexer = run_cpu_in_thread(find, name, stripnl=False, ensurenl=False) if name else None
    except ClassNotFound:
        return None
    return lexer if lexer and _LANGUAGES & set(lexer.aliases) else None
