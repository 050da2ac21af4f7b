"""Modules that are imported when something of them is used first, although others import them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class LateModule(ModuleType):
    """Stands in for a module. What it was not given it takes from the module itself."""

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system looks for some
            raise AttributeError(name)
        self.withdraw()
        return getattr(import_module(self.__name__), name)

    def withdraw(self) -> None:
        """Who imports the module from now on gets the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


@contextmanager
def imported_late(modules: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Within, an import of one of these modules gives a stand-in that has the attributes given.

    What `from … import …` takes of a stand-in has to be given, or the module is imported then. One
    that is imported already stays.
    """
    late = [LateModule(name, given) for name, given in modules.items() if name not in sys.modules]
    sys.modules.update({each.__name__: each for each in late})
    try:
        yield
    finally:
        for each in late:
            each.withdraw()


def late_function(module: str, name: str) -> Any:
    """A function of a module, which is imported by the first call."""
    return lambda *args, **kwargs: getattr(import_module(module), name)(*args, **kwargs)
