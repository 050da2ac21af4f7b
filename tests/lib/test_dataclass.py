"""Our `dataclass` makes classes that behave as those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
import weakref
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from functools import partial
from typing import Any

import pytest

import opcode_htmx.app.factory
from opcode_htmx.lib.dataclass import _init_of, dataclass

pytestmark = pytest.mark.unit

Decorator = Callable[..., Any]


def frozen(decorate: Decorator) -> Any:
    @decorate(frozen=True, slots=True)
    class Line:
        text: str
        number: int = 1
        words: list[str] = field(default_factory=list)
        seen: bool = field(default=False, compare=False)
        secret: str = field(default="x", repr=False)
        made: int = field(default=7, init=False)
        found: list[int] = field(default_factory=list, init=False)

    return Line


def mutable(decorate: Decorator) -> Any:
    @decorate(slots=True)
    class Count:
        """Counts."""

        number: int
        step: int = 1

        def __post_init__(self) -> None:
            self.number += self.step

    return Count


def by_name(decorate: Decorator) -> Any:
    @decorate(frozen=True, slots=True, kw_only=True)
    class Marked(frozen(decorate)):  # type: ignore[misc]
        mark: str
        size: int = 3

    return Marked


def by_identity(decorate: Decorator) -> Any:
    @decorate(frozen=True, slots=True, eq=False, weakref_slot=True)
    class Thing:
        name: str

    return Thing


def plain(decorate: Decorator) -> Any:
    @decorate
    class Plain:
        name: str
        other: int = 2

    return Plain


def empty(decorate: Decorator) -> Any:
    @decorate(frozen=True, slots=True)
    class Nothing:
        pass

    return Nothing


def with_methods(decorate: Decorator) -> Any:
    @decorate(slots=True)
    class Own:
        name: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own) and self.name.lower() == other.name.lower()

        def __hash__(self) -> int:
            return hash(self.name.lower())

        def __repr__(self) -> str:
            return f"<{self.name}>"

    return Own


MADE: dict[str, tuple[Callable[[Decorator], Any], list[Callable[[Any], Any]]]] = {
    "frozen": (
        frozen,
        [
            lambda cls: cls("a"),
            lambda cls: cls("a", 2, ["b"], True),
            lambda cls: cls(text="a", secret="y"),
        ],
    ),
    "mutable": (mutable, [lambda cls: cls(1), lambda cls: cls(number=1, step=3)]),
    "by name": (
        by_name,
        [lambda cls: cls("a", mark="m"), lambda cls: cls(size=1, mark="m", text="b")],
    ),
    "by identity": (by_identity, [lambda cls: cls("a")]),
    "plain": (plain, [lambda cls: cls("a"), lambda cls: cls("a", 3)]),
    "empty": (empty, [lambda cls: cls()]),
    "with its own methods": (with_methods, [lambda cls: cls("a"), lambda cls: cls("A")]),
}


@pytest.fixture(params=MADE)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any, list[Callable[[Any], Any]]]:
    """A class made by the standard library, the same made by ours, and how objects are made."""
    define, makers = MADE[request.param]
    return define(dataclasses.dataclass), define(dataclass), makers


def test_objects_have_the_same_fields_and_text(pair: Any) -> None:
    theirs, ours, makers = pair
    for make in makers:
        expected, made = make(theirs), make(ours)
        assert dataclasses.asdict(made) == dataclasses.asdict(expected)
        assert repr(made).rpartition(".")[2] == repr(expected).rpartition(".")[2]
    assert [each.name for each in dataclasses.fields(ours)] == [
        each.name for each in dataclasses.fields(theirs)
    ]
    assert ours.__match_args__ == theirs.__match_args__
    assert getattr(ours, "__slots__", None) == getattr(theirs, "__slots__", None)


def test_objects_are_equal_and_hashed_by_the_same_rules(pair: Any) -> None:
    theirs, ours, makers = pair

    def compared(cls: Any) -> list[Any]:
        made = [make(cls) for make in (*makers, *makers)]
        equal = [[one == other for other in made] for one in made]
        by_identity = cls.__hash__ is object.__hash__
        return [*equal, cls.__hash__ is None, by_identity, made[0] == "another kind"]

    assert compared(ours) == compared(theirs)


def test_equal_objects_of_a_frozen_class_have_one_hash_and_others_another() -> None:
    @dataclass(frozen=True, slots=True)
    class Place:
        path: str
        line: int
        note: str = field(default="", compare=False)

    assert hash(Place("a", 1)) == hash(Place("a", 1, "n")) != hash(Place("a", 2))
    assert {Place("a", 1): 5}[Place("a", 1, "n")] == 5


@pytest.mark.parametrize("arguments", [(), ("a", 1, 2, 3, 4, 5, 6), ("a", {"unknown": 1})])
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    named = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
    given = arguments[:-1] if named else arguments
    for cls in (frozen(dataclass), frozen(dataclasses.dataclass)):
        with pytest.raises(TypeError):
            cls(*given, **named)


def test_a_frozen_object_refuses_to_be_changed() -> None:
    for made in (frozen(dataclass)("a"), by_name(dataclass)("a", mark="m"), empty(dataclass)()):
        for act in (partial(setattr, made, "text", "b"), partial(delattr, made, "text")):
            with pytest.raises(FrozenInstanceError):
                act()


def test_frozen_objects_are_copied_replaced_and_pickled() -> None:
    line = frozen(dataclass)("a", 2, ["b"])
    other = by_identity(dataclass)("a")
    assert dataclasses.replace(other, name="b").name == "b"
    assert copy.copy(line) == line
    assert copy.deepcopy(line).words is not line.words
    assert pickle.loads(pickle.dumps(Pickled("a", 2))) == Pickled("a", 2)  # noqa: S301
    assert weakref.ref(other)() is other


@dataclass(frozen=True, slots=True)
class Pickled:
    text: str
    number: int


def test_the_first_object_of_every_class_can_be_made() -> None:
    """What the standard library refuses when it makes a class: fields in an order that is none."""
    assert callable(opcode_htmx.app.factory.build)
    classes = [
        value
        for module in list(sys.modules.values())
        if module.__name__.startswith("opcode_htmx.")
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    ]
    assert len(classes) > 500
    assert all(callable(_init_of(cls, frozen=True)) for cls in classes)


def test_factories_make_a_value_for_each_object() -> None:
    cls = frozen(dataclass)
    assert cls("a").words is not cls("a").words
    assert cls("a").found is not cls("a").found
