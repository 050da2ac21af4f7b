"""Modules that are imported when something of them is used first, although others import them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class LateModule(ModuleType):
    """Stands in for a module. Attributes that it was not given come from the module itself."""

    def __init__(self, name: str, given: Mapping[str, object]) -> None:
        super().__init__(name)
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system looks for some
            raise AttributeError(name)
        self.withdraw()
        return getattr(import_module(self.__name__), name)

    def withdraw(self) -> None:
        """Remove the stand-in: later imports get the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


@contextmanager
def imported_late(modules: Mapping[str, Mapping[str, object]]) -> Iterator[None]:
    """Within, an import of one of these modules gives a stand-in that has the attributes given.

    Attributes that `from … import …` takes have to be given, or the module is imported then. A
    module that is imported already stays.
    """
    late = [LateModule(name, given) for name, given in modules.items() if name not in sys.modules]
    sys.modules.update({each.__name__: each for each in late})
    try:
        yield
    finally:
        for each in late:
            each.withdraw()


class LateFunction:
    """A function or a class of a module, to be called: the first call imports the module.

    It is an object, as a function would become a method where a class has it.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(self._module), self._name)(*args, **kwargs)


def late_functions(module: str, *names: str) -> dict[str, dict[str, LateFunction]]:
    """A module of which these functions are imported, for `imported_late`."""
    return {module: {name: LateFunction(module, name) for name in names}}
