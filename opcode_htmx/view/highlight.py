"""Code as spans in the colours of its language; Pygments knows the languages.

Few classes with short names, because every span is sent: what is none of these stays plain.
"""

from __future__ import annotations

from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, _TokenType
from pygments.util import ClassNotFound

from .spans import Span, merge

LONGEST = 20_000
"""Characters; longer code stays plain, because colouring it takes longer than a page may."""

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


def code(text: str, language: str) -> tuple[Span, ...]:
    """The spans of code in a language as a fenced block names it; plain if it is not known."""
    return _spans(text, _by_name(language.strip().lower()[:40]))


def file(text: str, name: str) -> tuple[Span, ...]:
    """The spans of a file's content; its name says the language."""
    return _spans(text, _by_file(name.rpartition("/")[2][-80:]))


def _spans(text: str, lexer: Lexer | None) -> tuple[Span, ...]:
    if lexer is None or len(text) > LONGEST:
        return (Span("", text),) if text else ()
    # What the lexer calls a space belongs to whatever stands before it
    return merge(Span(_style(type_), value) for type_, value in lexer.get_tokens(text))


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
    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False) if name else None
    except ClassNotFound:
        return None


@lru_cache(maxsize=256)
def _by_file(name: str) -> Lexer | None:
    try:
        return get_lexer_for_filename(name, stripnl=False, ensurenl=False) if name else None
    except ClassNotFound:
        return None
