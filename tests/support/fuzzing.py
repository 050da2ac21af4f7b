"""Strategies of the fuzzing tests: JSON of any shape, and real lines with defects.

In the suite the examples are the same each time, so that it cannot fail by chance. FUZZ=20 draws
twenty times as many, and others each time: `FUZZ=20 python -m pytest tests -k fuzz`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.features.session_page.gallery.past import past_lines

T = TypeVar("T")

FACTOR = int(os.environ.get("FUZZ", "1"))

patient = pytest.mark.timeout(300 * FACTOR)
"""These tests compute and never wait: on a busy machine they take as many times longer."""


def examples(count: int) -> settings:
    """How often a test is tried with other values; its fixtures serve all of them."""
    shared = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=count * FACTOR, suppress_health_check=shared)


def chosen(cases: Mapping[str, T], *names: str) -> dict[str, T]:
    """The cases of these names, which the suite tries; all of them with FUZZ."""
    return dict(cases) if FACTOR > 1 else {name: cases[name] for name in names}


def rotated(cases: Sequence[T], turn: int, *, among: int = 4) -> Sequence[T]:
    """One of `among` cases, beginning elsewhere at each turn; all of them with FUZZ."""
    return cases if FACTOR > 1 else cases[turn % among :: among]


def _read(name: str) -> tuple[bytes, ...]:
    path = Path(__file__).parents[1] / "lines" / name
    return tuple(path.read_bytes().splitlines(keepends=True))


STDOUT, HISTORY = _read("stdout.ndjson"), _read("history.ndjson")
"""Of the session in captured.py, as CLI 2.1.330 wrote it: shortened, with ids that stay, and with
words of our own in place of the CLI's texts for the model."""


def _line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _block(message_id: str, block: dict[str, Any]) -> bytes:
    return _line(
        type="assistant", uuid=f"u-{message_id}", message={"id": message_id, "content": [block]}
    )


RARE = (
    *(_line(**entry) for entry in past_lines(Path("/home/me/work/orchard"))),
    _block("rare-1", {"type": "redacted_thinking", "data": "x"}),
    _block(
        "rare-2", {"type": "image", "source": {"media_type": "image/png", "data": "iVBORw0KGgo="}}
    ),
    _block(
        "rare-3",
        {"type": "tool_use", "id": "plan", "name": "ExitPlanMode", "input": {"plan": "# Sow"}},
    ),
    _block(
        "rare-4",
        {"type": "tool_use", "id": "new", "name": "TaskCreate", "input": {"subject": "Sow"}},
    ),
    _block(
        "rare-5", {"type": "tool_use", "id": "up", "name": "TaskUpdate", "input": {"taskId": "1"}}
    ),
    _line(
        type="user", uuid="shot", message={"content": [{"type": "image", "source": {"data": "x"}}]}
    ),
    _line(type="system", subtype="compact_boundary", uuid="c", compact_metadata={"pre_tokens": 9}),
    _line(type="system", subtype="api_retry", uuid="r1", attempt=1, max_retries=10, error="x"),
    _line(type="system", subtype="hook_response", uuid="h", hook_name="x", output="y", exit_code=1),
    _line(type="conversation_reset", uuid="reset"),
    _line(type="system", subtype="init", session_id="another", model="m", uuid="i"),
    _line(type="control_request", request_id="odd", request={"subtype": "of_tomorrow"}),
    _line(type="control_cancel_request", request_id="odd"),
    _line(type="of_tomorrow", uuid="t", message={"what": "?"}),
)
"""Kinds of lines that the captured session does not contain."""

HALF = "\ud800"
"""Half of a surrogate pair: JSON can say it, and nothing else can."""

HOSTILE_TEXT = st.sampled_from(
    [
        *("", " ", "\0", "\n", HALF, "\udfff\ud800", "\u2028", "\u202e", "\x1b[31m", "\ufffd"),
        *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"),
        *("</textarea></pre></details>", "{{7*7}}{% raw %}", "&lt;", "]]>", "<!--", "../../etc"),
        *("[Request interrupted by user]", "<local-command-stdout>x</local-command-stdout>"),
        *("<command-name>/x</command-name>", "<task-notification>", "```\n", "x" * 5000, "é" * 40),
        *("|1790000000", "NaN", "-0", "constructor", "__proto__", "--help", "-----"),
    ]
)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([-1, 2**31, 2**53, 2**64, 10**30, 1e308, 1e-320, float("nan"), float("inf")])
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | HOSTILE_TEXT
KEYS = st.text(max_size=4) | HOSTILE_TEXT


def values(keys: st.SearchStrategy[str] = KEYS) -> st.SearchStrategy[Any]:
    """JSON of any shape; `keys` are what objects have."""
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=10,
    )


def nested(depth: int, value: Any = None) -> Any:
    """Lists and objects in one another, `depth` deep."""
    for number in range(depth):
        value = {"content": value} if number % 2 else [value]
    return value


DEPTHS = st.sampled_from([50, 120, 300, 900, 3000, 100_000])


def in_place(line: bytes, depth: int) -> bytes:
    """The line with its first null or empty list as a value that is `depth` deep."""
    deep = b'{"content":[' * (depth // 2) + b"null" + b"]}" * (depth // 2)
    for place in (b"null", b"[]", b"{}"):
        if place in line:
            return line.replace(place, deep, 1)
    return line[:-1] + b',"deep":' + deep + b"}"


@st.composite
def changed(draw: st.DrawFn, lines: Sequence[bytes]) -> bytes:
    """A real line with something wrong in it, or as it was."""
    line = draw(st.sampled_from(lines)).rstrip(b"\n")
    how: Callable[[], bytes] = draw(
        st.sampled_from(
            [
                lambda: line,
                lambda: json.dumps(_with_changes(json.loads(line), draw)).encode(),
                lambda: json.dumps(_with_changes(json.loads(line), draw)).encode(),
                lambda: json.dumps(_with_changes(json.loads(line), draw)).encode(),
                lambda: in_place(line, draw(DEPTHS)),
                lambda: line[: draw(st.integers(0, len(line)))],
                lambda: _with_bytes(line, draw),
            ]
        )
    )
    return how().replace(b"\n", b" ")


def _with_changes(raw: Any, draw: st.DrawFn) -> Any:
    """A field or two that are missing, of another type, or somewhere else."""
    raw = deepcopy(raw)
    for _ in range(draw(st.integers(1, 3))):
        holder = raw
        for _ in range(draw(st.integers(0, 4))):
            children = list(holder.values()) if isinstance(holder, dict) else holder
            inner = [child for child in children if isinstance(child, dict | list) and child]
            if not inner:
                break
            holder = inner[draw(st.integers(0, len(inner) - 1))]
        places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not places:
            continue
        place = draw(st.sampled_from(places))
        if draw(st.booleans()):
            holder[place] = draw(values())
        else:
            del holder[place]
    return raw


def _with_bytes(line: bytes, draw: st.DrawFn) -> bytes:
    place = draw(st.integers(0, len(line)))
    return line[:place] + draw(st.binary(min_size=1, max_size=6)) + line[place + 1 :]


@st.composite
def sessions(draw: st.DrawFn, lines: Sequence[bytes], most: int = 40) -> list[bytes]:
    """Lines as no Claude would write them: in any order, twice, left out, and wrong."""
    start = draw(st.integers(0, len(lines) - 1))
    stretch = list(lines[start : start + draw(st.integers(0, most))])
    pieces = st.lists(changed(lines), max_size=8)
    mixed = [*stretch, *draw(pieces), *draw(st.lists(st.sampled_from(lines), max_size=8))]
    match draw(st.sampled_from(["in order", "in any order", "twice"])):
        case "in any order":
            mixed = draw(st.permutations(mixed))
        case "twice":
            mixed += mixed[draw(st.integers(0, len(mixed))) :]
    return [line.rstrip(b"\n") + b"\n" for line in mixed]
