"""Code as spans in the colours of its language; Pygments knows the languages.

Few classes with short names, because every span is sent: what is none of these stays plain.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, _TokenType
from pygments.util import ClassNotFound

from opcode_htmx.lib.cooperative import run_cpu_in_thread
from opcode_htmx.markup.spans import Span, merge

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
"""Those that people write, of hundreds; some of the others hardly ever come to an end."""

_SPELLED = {"console": "bash", "shell-session": "bash", "pycon": "python"}

SHORT = 500
"""Characters of code that is coloured in a few milliseconds, whatever it is."""
LONGEST = 10_000
LONGEST_LINE = 500
"""Characters; longer code stays plain."""

SECONDS = 0.25
"""Of the CPU: what takes longer is no code of a person's, and stays plain."""

TOO_LONG = "Shown without colours: too long."

_LONG_LINE = re.compile(rf"[^\n]{{{LONGEST_LINE + 1}}}|\s{{200}}")
"""On long lines and long gaps the time that lexers take grows with the square."""

_STYLES: dict[_TokenType, str] = {
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


class Highlighted(NamedTuple):
    """Code as spans; `note` says why it has no colours although its language is known."""

    spans: tuple[Span, ...]
    note: str = ""


def code(text: str, language: str) -> Highlighted:
    """Code in a language as a fenced block names it; plain if it is not known."""
    return _highlighted(text, _by_name(language.strip().lower()[:40]))


def file(text: str, name: str) -> Highlighted:
    """A file's content; its name says the language."""
    return _highlighted(text, _by_file(name.rpartition("/")[2][-80:]))


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
    began, spans = time.thread_time(), list[Span]()
    for type_, value in lexer.get_tokens(text):
        spans.append(Span(_style(type_), value))
        if time.thread_time() - began > SECONDS:
            return Highlighted(_plain(text), TOO_LONG)
    # No lexer may change what it colours: one that would add a line end is not asked
    same = "".join(value for _, value in spans) == text
    return Highlighted(merge(spans) if same else _plain(text))


@lru_cache(maxsize=256)
def _style(type_: _TokenType) -> str:
    step: _TokenType | None = type_
    while step is not None:
        if step in _STYLES:
            return _STYLES[step]
        step = step.parent
    return ""


@lru_cache(maxsize=128)
def _by_name(name: str) -> Lexer | None:
    return _known(get_lexer_by_name, _SPELLED.get(name, name))


@lru_cache(maxsize=256)
def _by_file(name: str) -> Lexer | None:
    return _known(get_lexer_for_filename, name)


def _known(find: Callable[..., Lexer], name: str) -> Lexer | None:
    try:
        # aside, since it reads a module and compiles it: that takes up to 0.3 seconds
        lexer = run_cpu_in_thread(find, name, stripnl=False, ensurenl=False) if name else None
    except ClassNotFound:
        return None
    return lexer if lexer and _LANGUAGES & set(lexer.aliases) else None
