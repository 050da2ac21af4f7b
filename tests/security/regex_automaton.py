"""A regular expression as an automaton, whose transitions consume one symbol or none."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from re import _constants as c
from re import _parser
from typing import Any

MOST_COPIES = 3
"""A bounded repetition is unrolled to so many copies: it cannot loop, however often it repeats."""

_SYMBOLS = [*range(128), 0x85, 0xA0, 0xE9, 0xFF, 0x130, 0x3B1, 0x2028, 0x2500, 0x2603, 0xD83D]

_DOTALL, _IGNORECASE, _ASCII = int(re.DOTALL), int(re.IGNORECASE), int(re.ASCII)
"""As numbers: `&` of the flags themselves takes ten times as long, a million times."""


class Unbounded(Exception):
    """A pattern holds a part that the analysis does not know."""


@dataclass(slots=True)
class _Edge:
    """A step without a character, allowed behind one of `behind` and in front of one of `before`.

    Both are sets of symbols as bits; the start of a text is no symbol and always allowed.
    """

    target: int
    behind: int
    before: int


@dataclass(slots=True)
class Automaton:
    """States joined by steps without a character; the state in `accepts` consume one."""

    alphabet: list[int]
    edges: list[list[_Edge]] = field(default_factory=list)
    accepts: dict[int, int] = field(default_factory=dict)
    """The symbols, as bits, that a consuming state takes; it goes on at the next state."""
    may_fail: set[int] = field(default_factory=set)
    """States behind an assertion, where the match may still fail."""

    @property
    def every(self) -> int:
        return (1 << len(self.alphabet)) - 1

    def state(self) -> int:
        self.edges.append([])
        return len(self.edges) - 1

    def join(self, source: int, target: int, behind: int = -1, before: int = -1) -> None:
        self.edges[source].append(_Edge(target, behind, before))

    def consume(self, source: int, symbols: int) -> int:
        """A state that takes one of `symbols`, entered from `source`; the state behind it."""
        taking, behind = self.state(), self.state()
        assert behind == taking + 1
        self.join(source, taking)
        self.accepts[taking] = symbols
        return behind


def built(pattern: str | bytes, flags: int, method: str) -> tuple[Automaton, int, int]:
    tree = _parser.parse(pattern, flags)
    alphabet = sorted({*_SYMBOLS, *_literals(tree)})
    automaton = Automaton(alphabet)
    start = begin = automaton.state()
    if method not in ("match", "fullmatch"):
        newline = _bits(automaton, lambda symbol: symbol == 10)
        anywhere = automaton.state()
        automaton.join(start, anywhere)
        for symbols in (newline, automaton.every & ~newline):
            automaton.join(automaton.consume(anywhere, symbols), anywhere)
        begin = anywhere
    end = _Builder(automaton, tree.state.flags, tree.state.groupdict).sequence(tree, begin)
    return automaton, start, end


def _literals(tree: Any) -> Iterator[int]:
    """The symbols that a pattern names, and their neighbours."""
    for op, value in tree:
        if op in (c.LITERAL, c.NOT_LITERAL):
            yield from (value, max(0, value - 1), value + 1)
        elif op is c.RANGE:
            yield from (*value, max(0, value[0] - 1), value[1] + 1)
        elif op is c.IN:
            yield from _literals(value)
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            yield from _literals(value[2])
        elif op is c.SUBPATTERN:
            yield from _literals(value[3])
        elif op is c.ATOMIC_GROUP:
            yield from _literals(value)
        elif op is c.BRANCH:
            for branch in value[1]:
                yield from _literals(branch)
        elif op in (c.ASSERT, c.ASSERT_NOT):
            yield from _literals(value[1])


def _bits(automaton: Automaton, holds: Any) -> int:
    return sum(1 << number for number, symbol in enumerate(automaton.alphabet) if holds(symbol))


@cache
def _cases(symbol: int) -> tuple[int, int]:
    """The symbol in lower and in upper case, as far as that is one character."""
    return ord(chr(symbol).lower()[0]), ord(chr(symbol).upper()[0])


@cache
def _is_in(letter: str, is_ascii: bool, symbol: int) -> bool:
    return bool(re.match(letter, chr(symbol), re.ASCII if is_ascii else 0))


class _Builder:
    def __init__(self, automaton: Automaton, flags: int, _groups: object) -> None:
        self._automaton = automaton
        self._flags = int(flags)
        self._groups: dict[int, Any] = {}

    def sequence(self, tree: Any, at: int) -> int:
        for op, value in tree:
            at = self._one(op, value, at)
        return at

    def _one(self, op: Any, value: Any, at: int) -> int:
        automaton = self._automaton
        if op in (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN):
            return automaton.consume(at, self._symbols(op, value))
        if op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            least, most, body = value
            return self._repeat(op, least, most, body, at)
        if op is c.SUBPATTERN:
            group, added, removed, inside = value
            if group is not None:
                self._groups[group] = inside
            kept, self._flags = self._flags, (self._flags | added) & ~removed
            end = self.sequence(inside, at)
            self._flags = kept
            return end
        if op is c.ATOMIC_GROUP:
            return self.sequence(value, at)
        if op is c.BRANCH:
            end = automaton.state()
            for branch in value[1]:
                inside = automaton.state()
                automaton.join(at, inside)
                automaton.join(self.sequence(branch, inside), end)
            return end
        if op is c.GROUPREF:
            return self.sequence(self._groups[value], at)
        if op is c.AT:
            return self._at(value, at)
        if op in (c.ASSERT, c.ASSERT_NOT):
            if value[1].getwidth()[1] >= c.MAXREPEAT:
                raise Unbounded("an unbounded repetition in a look-around")
            return self._fallible(at)
        raise Unbounded(str(op))

    def _fallible(self, at: int, behind: int = -1) -> int:
        end = self._automaton.state()
        self._automaton.may_fail.add(end)
        self._automaton.join(at, end, behind)
        return end

    def _at(self, where: Any, at: int) -> int:
        multiline = self._flags & re.MULTILINE
        if where is c.AT_BEGINNING_STRING or (where is c.AT_BEGINNING and not multiline):
            return self._fallible(at, behind=0)
        if where is c.AT_BEGINNING:
            return self._fallible(at, _bits(self._automaton, lambda symbol: symbol == 10))
        return self._fallible(at)

    def _repeat(self, op: Any, least: int, most: Any, body: Any, at: int) -> int:
        automaton = self._automaton
        outer = at
        for _ in range(min(least, MOST_COPIES)):
            at = self.sequence(body, at)
        end = automaton.state()
        guard = self._continues(op, body)
        if most is c.MAXREPEAT:
            if body.getwidth()[0] == 0:
                raise Unbounded("a repetition of what may be empty")
            loop = automaton.state()
            automaton.join(at, loop)
            automaton.join(self.sequence(body, loop), loop)
            automaton.join(loop, end, before=guard)
        else:
            for _ in range(min(most - least, MOST_COPIES)):
                automaton.join(at, end, before=guard)
                at = self.sequence(body, at)
            automaton.join(at, end)
        assert outer != end
        return end

    def _continues(self, op: Any, body: Any) -> int:
        """In front of which symbols a repetition may be left: a possessive one takes all it can."""
        if op is c.POSSESSIVE_REPEAT and len(body) == 1 and body[0][0] in _SINGLE:
            return self._automaton.every & ~self._symbols(*body[0])
        return -1

    def _symbols(self, op: Any, value: Any) -> int:
        automaton = self._automaton
        if op is c.ANY:
            return _bits(automaton, lambda symbol: symbol != 10 or self._flags & _DOTALL)
        if op is c.NOT_LITERAL:
            return automaton.every & ~self._symbols(c.LITERAL, value)
        if op is c.LITERAL:
            return self._between(value, value)
        found = 0
        negated = False
        for inner, each in value:
            if inner is c.NEGATE:
                negated = True
            elif inner is c.LITERAL:
                found |= self._symbols(c.LITERAL, each)
            elif inner is c.RANGE:
                found |= self._between(*each)
            elif inner is c.CATEGORY:
                found |= self._category(each)
            else:
                raise Unbounded(str(inner))
        return automaton.every & ~found if negated else found

    def _between(self, low: int, high: int) -> int:
        """The symbols from `low` to `high`, which stand next to each other in the alphabet."""
        alphabet = self._automaton.alphabet
        first, behind = bisect_left(alphabet, low), bisect_right(alphabet, high)
        found = (1 << behind) - (1 << first)
        if not self._flags & _IGNORECASE:
            return found
        return found | _bits(
            self._automaton, lambda symbol: any(low <= each <= high for each in _cases(symbol))
        )

    def _category(self, category: Any) -> int:
        letter, negated = _CATEGORIES[category]
        is_ascii = bool(self._flags & _ASCII)
        found = _bits(self._automaton, lambda symbol: _is_in(letter, is_ascii, symbol))
        return self._automaton.every & ~found if negated else found


_SINGLE = (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN)
_CATEGORIES = {
    c.CATEGORY_DIGIT: (r"\d", False),
    c.CATEGORY_NOT_DIGIT: (r"\d", True),
    c.CATEGORY_SPACE: (r"\s", False),
    c.CATEGORY_NOT_SPACE: (r"\s", True),
    c.CATEGORY_WORD: (r"\w", False),
    c.CATEGORY_NOT_WORD: (r"\w", True),
}
