"""`dataclass`, as in the standard library, but made in a fifth of the time.

The standard library compiles six methods for each class: with seven hundred classes that is 40 %
of a start. Here the methods are the same functions for all classes, and `__init__` is compiled when
the first object is made, which most classes of an idle server never see.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]

_FACTORY: Any = object()
"""The default of an argument whose field has a factory."""


def _dataclass(
    cls: type | None = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    eq: bool = True,
    kw_only: bool = False,
    weakref_slot: bool = False,
) -> Any:
    """`dataclasses.dataclass`, with those of its parameters that are used here.

    An object of a frozen class refuses to set any attribute. There are no `InitVar`s, and nobody
    checks that a frozen class has frozen bases, or that fields with defaults come last, before the
    first object is made: mypy does.
    """

    def make(cls: type) -> type:
        made: type = dataclasses.dataclass(
            _with_text(cls),
            init=False,
            repr=False,
            eq=False,
            slots=slots,
            kw_only=kw_only,
            weakref_slot=weakref_slot,
        )
        _add_methods(made, _methods(made, frozen, slots, eq))
        return made

    return make if cls is None else make(cls)


if TYPE_CHECKING:  # a type checker knows this one
    from dataclasses import dataclass
else:
    dataclass = _dataclass


def _with_text(cls: type) -> type:
    """The class with a docstring: else the signature would be put together, to be it."""
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__
    return cls


def _add_methods(cls: type, methods: dict[str, Any]) -> None:
    """What the class defines itself stays, but for `__init__`."""
    explicit_eq = "__eq__" in cls.__dict__
    for name, method in methods.items():
        has_one = name in cls.__dict__ and name != "__init__"
        # Python itself has set `__hash__` to None where the class defines `__eq__`
        if not has_one or (name == "__hash__" and explicit_eq and cls.__dict__[name] is None):
            setattr(cls, name, method)


def _methods(cls: Any, frozen: bool, slots: bool, eq: bool) -> dict[str, Any]:
    methods: dict[str, Any] = {"__init__": _first_init(cls, frozen), "__repr__": _repr}
    if eq:
        compared = [each.name for each in dataclasses.fields(cls) if each.compare]
        methods["__compared__"] = attrgetter(*compared) if compared else _nothing
        methods["__hash__"] = _hash if frozen else None
        methods["__eq__"] = _eq
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
        if slots:  # for `copy` and `pickle`, which would set attributes
            methods |= {"__getstate__": _state, "__setstate__": _set_state}
    return methods


# --- methods that all classes have in common ------------------------------------------------


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in _shown(self))
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _shown(self: Any) -> Iterator[dataclasses.Field[Any]]:
    return (each for each in dataclasses.fields(self) if each.repr)


def _nothing(self: Any) -> tuple[()]:
    """Of a class without fields, all objects are equal."""
    return ()


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    key = self.__class__.__compared__
    return key(self) == key(other)


def _hash(self: Any) -> int:
    return hash(self.__class__.__compared__(self))


def _refuse_to_set(self: Any, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _set_state(self: Any, state: Sequence[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


# --- the method that each class has of its own ----------------------------------------------


def _first_init(cls: Any, frozen: bool) -> Callable[..., None]:
    """An `__init__` that makes the class's real one, and leaves its place to it."""

    def __init__(self: Any, /, *arguments: Any, **named: Any) -> None:  # noqa: N807
        cls.__init__ = _init_of(cls, frozen)
        cls.__init__(self, *arguments, **named)

    return __init__


def _init_of(cls: Any, frozen: bool) -> Callable[..., None]:
    """Compiled from the fields: `def __init__(self, a, b=_d_b, *, c): …`."""
    names: dict[str, Any] = {"_FACTORY": _FACTORY, "_set": object.__setattr__}
    given = [each for each in dataclasses.fields(cls) if each.init]
    head = ["self", *(_argument(each, names) for each in given if not each.kw_only)]
    if by_name := [_argument(each, names) for each in given if each.kw_only]:
        head += ["*", *by_name]
    body = [
        _assignment(cls, each, value, frozen, names)
        for each in dataclasses.fields(cls)
        if (value := _value(each, names))
    ]
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    text = f"def __init__({', '.join(head)}):\n " + "\n ".join(body or ["pass"])
    exec(text, names)  # noqa: S102 - made of the names of fields
    init: Callable[..., None] = names["__init__"]
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return init


def _argument(of: dataclasses.Field[Any], names: dict[str, Any]) -> str:
    if of.default_factory is not MISSING:
        return f"{of.name}=_FACTORY"
    if of.default is MISSING:
        return of.name
    names[f"_d_{of.name}"] = of.default
    return f"{of.name}=_d_{of.name}"


def _value(of: dataclasses.Field[Any], names: dict[str, Any]) -> str:
    """The text of what a field is set to at first; empty for one that gets it later."""
    if of.default_factory is not MISSING:
        names[f"_f_{of.name}"] = of.default_factory
        return (
            f"_f_{of.name}() if {of.name} is _FACTORY else {of.name}"
            if of.init
            else (f"_f_{of.name}()")
        )
    if of.init:
        return of.name
    names[f"_d_{of.name}"] = of.default
    return "" if of.default is MISSING else f"_d_{of.name}"


def _assignment(
    cls: Any, of: dataclasses.Field[Any], value: str, frozen: bool, names: dict[str, Any]
) -> str:
    if not frozen:
        return f"self.{of.name} = {value}"
    slot = getattr(cls, of.name, None)
    if isinstance(slot, MemberDescriptorType):  # a third faster than by the name
        names[f"_s_{of.name}"] = slot.__set__
        return f"_s_{of.name}(self, {value})"
    return f"_set(self, {of.name!r}, {value})"
