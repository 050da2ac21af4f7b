"""Regular expressions that are compiled when they are used first.

A start would compile four hundred of them otherwise, in a tenth of its time, and uses hardly one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any


class LatePattern:
    """What `re.compile` gives for the same arguments, from the first use of a method on."""

    def __init__(self, pattern: Any, flags: int = 0) -> None:
        self._arguments = pattern, flags

    def __getattr__(self, name: str) -> Any:
        """Called once for each name: what it gives is an attribute from then on."""
        found = getattr(self.compiled(), name)
        setattr(self, name, found)
        return found

    def compiled(self) -> re.Pattern[Any]:
        """The pattern itself, for functions that take one."""
        compiled = self.__dict__.get("_compiled")
        if compiled is None:
            compiled = self._compiled = re.compile(*self._arguments)
        return compiled


if TYPE_CHECKING:  # so that a type checker knows of text and bytes
    late_pattern = re.compile
else:
    late_pattern = LatePattern
