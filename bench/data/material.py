"""Text and code to fill sessions with: the standard library's, so that they compress realistically.

The same version of Python gives the same material. Independent of sessions.
"""

from __future__ import annotations

import ast
import importlib.util
import random
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice
from pathlib import Path

MODULES = (
    *("argparse", "statistics", "heapq", "datetime", "functools", "random", "tarfile", "doctest"),
    *("optparse", "inspect", "textwrap", "mailbox", "zipfile", "smtplib", "logging", "turtle"),
    *("pickletools", "difflib", "ftplib", "calendar", "fractions", "http.server", "subprocess"),
)
PARAGRAPH_CHARACTERS = range(80, 700)
ITEM_CHARACTERS = 110


def source(module: str) -> list[str]:
    """The lines of a module of the standard library."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8").splitlines()


def code(number: int, lines: int) -> str:
    """A stretch of real code, another one for every number."""
    text = source(MODULES[number % len(MODULES)])
    start = 60 + (number * 97) % (len(text) - lines - 60)  # after the docstring
    return "\n".join(text[start : start + lines])


@cache
def paragraphs() -> tuple[str, ...]:
    """Paragraphs of English about programs, from docstrings, in an order that mixes modules."""
    found: list[str] = []
    for module in MODULES:
        for node in ast.walk(ast.parse("\n".join(source(module)))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found.extend(_prose(ast.get_docstring(node) or ""))
    unique = list(dict.fromkeys(found))
    random.Random(4).shuffle(unique)  # noqa: S311 - no secret
    return tuple(unique)


def _prose(docstring: str) -> Iterator[str]:
    for piece in docstring.split("\n\n"):
        words = " ".join(piece.split())
        if len(words) in PARAGRAPH_CHARACTERS and not piece.startswith((" ", ">>>", "-", "=")):
            yield words.replace("*", "").replace("_", " ").replace("<", "").replace("#", "")


def answers() -> Iterator[str]:
    """Markdown sections of 1 to 3 KB without end: text, lists, code, tables."""
    words = cycle(paragraphs())
    number = 0
    while True:
        number += 1
        items = [textwrap.shorten(text, ITEM_CHARACTERS) for text in islice(words, 5)]
        names = [text.split()[0].strip(".,:;()`'\"") for text in items]
        lines = [
            f"## {number}. {textwrap.shorten(next(words), 50, placeholder='')}",
            next(words),
            f"**{names[0]}** and `{names[1]}` matter here: {next(words)}",
        ]
        match number % 3:
            case 0:
                rows = (f"| `{name}` | {item} |" for name, item in zip(names, items, strict=True))
                lines.append("\n".join(("| name | what it does |", "|---|---|", *rows)))
            case 1:
                lines.append(f"```python\n{code(number, 18)}\n```")
            case _:
                lines.append(
                    "\n".join(f"- **{n}**: {i}" for n, i in zip(names, items, strict=True))
                )
        lines.append(next(words))
        yield "\n\n".join(lines) + "\n\n"


def answer(size: int, skip: int = 0) -> str:
    """An answer of exactly `size` characters, which begins `skip` characters into the material."""
    text = ""
    for section in answers():
        text += section
        if len(text) >= skip + size:
            return text[skip : skip + size]
    raise AssertionError
