"""Static analysis of regular expressions: which of them can backtrack more than linearly.

A pattern becomes an automaton. Matching takes quadratic time or worse when a state has two ways
back to itself on one word, or when two loops can share a word: each split of a long run of that
word between the two loops is tried (Weber and Seidl, 1991: EDA and IDA). `search` and its like are
a loop over any character in front of the pattern. The analysis errs on the safe side: it assumes
that some text makes the rest of the pattern fail, unless the loop can end the match by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from typing import Any

from tests.security.regex_automaton import Automaton, Unbounded, built


def is_linear(pattern: re.Pattern[Any], methods: Iterable[str]) -> str:
    """Why the pattern may take more than linear time with these methods; empty if it does not."""
    for method in sorted(set(methods)):
        if why := _why(pattern.pattern, pattern.flags, method):
            return f"{method}: {why}"
    return ""


@lru_cache(maxsize=1024)
def _why(pattern: str | bytes, flags: int, method: str) -> str:
    try:
        automaton, start, end = built(pattern, flags, method)
    except Unbounded as error:
        return str(error)
    steps = _steps(automaton, start)
    loops = _components(steps)
    final = set() if method == "fullmatch" else _accepting(automaton, steps, end)
    for state in steps:
        for target, times in _times(steps[state]).items():
            if times > 1 and loops.get(state) == loops.get(target):
                return f"two ways through one loop, at {_shown(automaton, target)}"
    looped = _two_ways_back(steps, loops)
    if looped is not None:
        return f"two ways through one loop, at {_shown(automaton, looped)}"
    in_loops = [state for state in steps if state in loops and state != start]
    for first, second in product(in_loops, in_loops):
        is_open = first != second and second not in final
        if is_open and _share_a_word(steps, loops, first, second):
            ends = [_shown(automaton, state) for state in (first, second)]
            return f"two loops share a word: {ends[0]} and {ends[1]}"
    return ""


def attacks(pattern: re.Pattern[Any], length: int) -> Iterator[str]:
    """Texts of `length` that keep each loop of the pattern going and fail at their end."""
    automaton, start, _ = built(pattern.pattern, pattern.flags, "match")
    steps = _steps(automaton, start)
    loops = _components(steps)
    for state in steps:
        if state in loops and state != start:
            into = _word(automaton, steps, start, {state})
            around = _word(automaton, steps, state, {state}) or "x"
            for end in ("", "\0", "\n", "x", " ", "|"):
                yield into + around * ((length - len(into)) // len(around)) + end
            whole = into + around
            yield whole * (length // len(whole))
            yield (into + around * 50) * (length // (len(into) + 50 * len(around)))


_Steps = dict[int, list[tuple[int, int]]]
"""From each consuming state, and from the start: the states that come next, with their symbols."""


def _steps(automaton: Automaton, start: int) -> _Steps:
    steps: _Steps = {start: list(_next(automaton, start, -1))}
    waiting = [start]
    while waiting:
        for target, _ in steps[waiting.pop()]:
            if target not in steps:
                steps[target] = list(_next(automaton, target + 1, automaton.accepts[target]))
                waiting.append(target)
    return steps


def _next(
    automaton: Automaton, at: int, behind: int, before: int = -1, seen: tuple[int, ...] = ()
) -> Iterator[tuple[int, int]]:
    """The consuming states behind `at`, once for each way there is; `behind` was consumed last."""
    if at in automaton.accepts:
        if symbols := automaton.accepts[at] & before:
            yield at, symbols
        return
    for edge in automaton.edges[at]:
        open_ = behind == -1 or edge.behind & behind
        if open_ and edge.before & before and edge.target not in seen:
            yield from _next(
                automaton, edge.target, behind, before & edge.before, (*seen, edge.target)
            )


def _accepting(automaton: Automaton, steps: _Steps, end: int) -> set[int]:
    """The consuming states after which the match may end, for any rest.

    What stops a possessive repetition is what it would take itself, so that is no failure.
    """

    def ends(at: int, seen: frozenset[int]) -> bool:
        if at == end:
            return True
        return any(
            edge.target not in seen
            and edge.target not in automaton.may_fail
            and edge.target not in automaton.accepts
            and ends(edge.target, seen | {edge.target})
            for edge in automaton.edges[at]
        )

    return {state for state in steps if state in automaton.accepts and ends(state + 1, frozenset())}


def _times(found: list[tuple[int, int]]) -> dict[int, int]:
    times: dict[int, int] = {}
    for target, _ in found:
        times[target] = times.get(target, 0) + 1
    return times


def _components(steps: _Steps) -> dict[int, int]:
    """The loop that a state is in, by a number; states in no loop are left out."""
    reached = {state: _reachable(steps, state) for state in steps}
    loops: dict[int, int] = {}
    for state in steps:
        if state in reached[state]:
            loops[state] = min(each for each in reached[state] if state in reached[each])
    return loops


def _reachable(steps: _Steps, state: int) -> set[int]:
    found: set[int] = set()
    waiting = [state]
    while waiting:
        for target, _ in steps[waiting.pop()]:
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def _two_ways_back(steps: _Steps, loops: dict[int, int]) -> int | None:
    """A state with two ways back to itself on one word."""
    for state in loops:
        seen: set[tuple[int, int]] = set()
        waiting = [(state, state)]
        while waiting:
            pair = waiting.pop()
            for (left, a), (right, b) in product(steps[pair[0]], steps[pair[1]]):
                inside = loops.get(left) == loops.get(right) == loops[state]
                if a & b and inside and (left, right) not in seen:
                    seen.add((left, right))
                    waiting.append((left, right))
        if (state, state) in seen and any(
            left != right and _leads(steps, loops, (left, right), (state, state))
            for left, right in seen
        ):
            return state
    return None


def _leads(
    steps: _Steps, loops: dict[int, int], source: tuple[int, ...], target: tuple[int, ...]
) -> bool:
    """Whether one word leads from each state of `source` to the one of `target`."""
    seen, waiting = {source}, [source]
    while waiting:
        at = waiting.pop()
        for found in product(*(steps[state] for state in at)):
            shared = -1
            for _, symbols in found:
                shared &= symbols
            there = tuple(state for state, _ in found)
            if not shared or there in seen:
                continue
            if there == target:
                return True
            seen.add(there)
            waiting.append(there)
    return False


def _share_a_word(steps: _Steps, loops: dict[int, int], first: int, second: int) -> bool:
    """Whether a word leads from `first` and from `second` to itself, and from one to the other."""
    if second not in _reachable(steps, first):
        return False
    source, target = (first, first, second), (first, second, second)
    seen, waiting = {source}, [source]
    while waiting:
        at = waiting.pop()
        for found in product(*(steps[state] for state in at)):
            (one, a), (two, b), (three, d) = found
            if not a & b & d or loops.get(one) != loops[first] or loops.get(three) != loops[second]:
                continue
            if (one, two, three) == target:
                return True
            if (one, two, three) not in seen:
                seen.add((one, two, three))
                waiting.append((one, two, three))
    return False


def _word(automaton: Automaton, steps: _Steps, start: int, ends: set[int]) -> str:
    """A shortest text that leads from a state to one of `ends`; empty if none does."""
    seen: set[int] = set()
    waiting: list[tuple[int, str]] = [(start, "")]
    while waiting:
        at, text = waiting.pop(0)
        for target, symbols in steps[at]:
            longer = text + _first(automaton, symbols)
            if target in ends:
                return longer
            if target not in seen:
                seen.add(target)
                waiting.append((target, longer))
    return ""


def _first(automaton: Automaton, symbols: int) -> str:
    """One of the symbols: a printable one, if there is one."""
    found = [s for n, s in enumerate(automaton.alphabet) if symbols >> n & 1]
    return chr(next((s for s in found if 32 < s < 127), found[0]))


def _shown(automaton: Automaton, state: int) -> str:
    symbols = automaton.accepts[state]
    found = [s for n, s in enumerate(automaton.alphabet) if symbols >> n & 1]
    return repr("".join(map(chr, found[:3]))) + ("…" if len(found) > 3 else "")
