"""Routes whose addresses are built by code that is compiled when the first one is built.

Werkzeug compiles it for every route at the start, a fifth of the time in which the app is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

from opcode_htmx.lib import surrogates

_Builder = Callable[..., tuple[str, str]]


def _whole(value: Any) -> Any:
    return surrogates.replaced(value) if isinstance(value, str) else value


class LateRule(Rule):
    """A rule that matches at once, and compiles what `url_for` needs at its first use."""

    def _compile_builder(self, append_unknown: bool = True) -> _Builder:
        compiled: list[_Builder] = []

        def build(rule: Rule, *args: Any, **kwargs: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(super(LateRule, self)._compile_builder(append_unknown))
            try:
                return compiled[0](rule, *args, **kwargs)
            except UnicodeEncodeError:  # a name in a file may hold half a character
                whole = {name: _whole(value) for name, value in kwargs.items()}
                return compiled[0](rule, *map(_whole, args), **whole)

        return build
