"""The entries of a history file that Claude resumes from: the CLI's rule, over generated trees.

`test_generated_sessions` and `test_differential` hold the same to the real CLI.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.files.lineage import Lineage, checkpoint_line

Entry = dict[str, Any]


def prompt(uuid: str, parent: str | None, **more: object) -> Entry:
    message = {"role": "user", "content": uuid}
    return {"type": "user", "uuid": uuid, "parentUuid": parent, "message": message, **more}


def answer(uuid: str, parent: str) -> Entry:
    message = {"id": f"m-{uuid}", "content": [{"type": "text", "text": uuid}]}
    return {"type": "assistant", "uuid": uuid, "parentUuid": parent, "message": message}


def result(uuid: str, parent: str) -> Entry:
    message = {"content": [{"type": "tool_result", "tool_use_id": f"t-{uuid}", "content": ""}]}
    return {"type": "user", "uuid": uuid, "parentUuid": parent, "message": message}


def note(uuid: str, parent: str | None, **more: object) -> Entry:
    return {"type": "attachment", "uuid": uuid, "parentUuid": parent, **more}


def checkpoint(leaf: str | None, **more: object) -> Entry:
    return {"type": "last-prompt", "leafUuid": leaf, **more}


def rewound(leaf: str | None, cut: str) -> Entry:
    return checkpoint(leaf, explicit=True, rewound=True, cutUuid=cut)


def boundary(uuid: str, after: str, *preserved: str) -> Entry:
    kept = {"compactMetadata": {"preservedMessages": {"uuids": list(preserved)}}}
    about = {
        "subtype": "compact_boundary",
        "logicalParentUuid": after,
        **(kept if preserved else {}),
    }
    return {"type": "system", "uuid": uuid, "parentUuid": None, **about}


ONE = [prompt("p1", None), answer("a1", "p1")]
TWO = [*ONE, prompt("p2", "a1"), answer("a2", "p2")]

TREES: dict[str, tuple[list[Entry], str, dict[str, str]]] = {
    "nothing": ([], "", {}),
    "one turn": (ONE, "a1", {}),
    "an edit without a checkpoint": (
        [*TWO, prompt("q2", "a1"), answer("b2", "q2")],
        "b2",
        {"p2": "p2", "a2": "p2"},
    ),
    "a rewind with nothing behind it": (
        [*TWO, rewound("a1", "p2"), checkpoint("a1")],
        "a1",
        {"p2": "p2", "a2": "p2"},
    ),
    "a rewind and a prompt behind an attachment": (
        [*TWO, note("n", "a1"), rewound("a1", "p2"), prompt("q2", "n")],
        "q2",
        {"p2": "p2", "a2": "p2"},
    ),
    "a rewind to the beginning": (
        [*ONE, rewound(None, "p1"), prompt("q1", None)],
        "q1",
        {"p1": "p1", "a1": "p1"},
    ),
    "a rewind to nothing": ([*ONE, rewound(None, "p1")], "", {"p1": "p1", "a1": "p1"}),
    "a newer branch whose program noted no checkpoint": (
        [*TWO, checkpoint("a2"), prompt("q2", "a1"), answer("b2", "q2")],
        "a2",
        {"q2": "q2", "b2": "q2"},
    ),
    "a checkpoint that is gone on from": (
        [*ONE, checkpoint("a1"), prompt("p2", "a1"), note("n", "p2")],
        "n",
        {},
    ),
    "a checkpoint of another file": ([*ONE, checkpoint("elsewhere")], "a1", {}),
    "parallel calls": (
        [
            *(prompt("p1", None), answer("c1", "p1"), answer("c2", "c1"), answer("c3", "c2")),
            *(result("r3", "c3"), result("r1", "c1"), result("r2", "c2"), answer("a1", "r2")),
        ],
        "a1",
        {},
    ),
    "a branch in a branch": (
        [*TWO, prompt("p3", "a2"), prompt("q3", "a2"), prompt("q2", "a1")],
        "q2",
        dict.fromkeys(("p2", "a2", "p3", "q3"), "p2"),
    ),
    "a compaction": ([*TWO, boundary("b", "a2"), prompt("p3", "b")], "p3", {}),
    "somebody else goes on from what was compacted": (
        [*TWO, prompt("d", "a2"), boundary("b", "a2", "a2"), prompt("e", "d")],
        "e",
        {"d": "d"},
    ),
    "a checkpoint on what was compacted": (
        [*TWO, prompt("d", "a2"), boundary("b", "a2", "a2"), prompt("p3", "b"), checkpoint("d")],
        "p3",
        {"d": "d"},
    ),
    "a rewind to what was compacted": (
        [*TWO, boundary("b", "a2", "a2"), prompt("p3", "b"), rewound("a1", "p2")],
        "p3",
        {},
    ),
    "a rewind to what a compaction has preserved": (
        [*TWO, boundary("b", "a2", "a2"), prompt("p3", "b"), rewound("a2", "p3")],
        "b",
        {"p3": "p3"},
    ),
    "a line whose parent was lost": ([*ONE, prompt("p2", "lost"), answer("a2", "p2")], "a2", {}),
    "lines of an agent": ([*ONE, prompt("s", None, isSidechain=True)], "a1", {}),
    "a line that stands twice": ([*TWO, answer("a1", "p1")], "a2", {}),
}


def lineage_of(entries: list[Entry]) -> Lineage:
    lineage = Lineage()
    for entry in entries:
        lineage.add(entry)
    return lineage


@pytest.mark.parametrize(("entries", "leaf", "left"), TREES.values(), ids=list(TREES))
def test_claude_resumes_from_one_leaf_without_the_other_branches(
    entries: list[Entry], leaf: str, left: dict[str, str]
) -> None:
    lineage = lineage_of(entries)
    assert lineage.leaf == leaf
    assert lineage.left(leaf) == left


def test_compacted_entries_are_marked() -> None:
    lineage = lineage_of([*TWO, boundary("b", "a2", "a2"), prompt("p3", "b")])
    assert not lineage.is_compacted("b")
    assert not lineage.is_compacted("p3")
    assert lineage.is_compacted("p1")
    assert not lineage_of([*TWO, boundary("b", "a2")]).is_compacted("p1")


def test_session_resumes_from_our_checkpoint() -> None:
    lineage = lineage_of([*TWO, prompt("q2", "a1"), answer("b2", "q2"), checkpoint("b2")])
    lineage.add(json.loads(checkpoint_line("session", "a2")))
    assert lineage.leaf == "a2"


_IDS: st.SearchStrategy[object] = st.sampled_from(["a", "b", "c", "d", None, 1, [], {}])
_ODD = st.fixed_dictionaries(
    {"type": st.sampled_from(["user", "assistant", "system", "attachment", "last-prompt"])},
    optional={
        **dict.fromkeys(("uuid", "parentUuid", "logicalParentUuid", "leafUuid", "cutUuid"), _IDS),
        **dict.fromkeys(("explicit", "rewound", "isSidechain"), st.booleans()),
        "subtype": st.sampled_from(["compact_boundary", "", 5]),
        "message": st.sampled_from([{}, {"content": "x"}, {"content": [1, {}]}, 7, None]),
        "compactMetadata": st.sampled_from([{}, [], {"preservedMessages": {"uuids": ["a"]}}]),
    },
)


@given(st.lists(_ODD, max_size=20))
def test_any_entries_make_a_tree(entries: list[Entry]) -> None:
    """For any ids: no entry is its own ancestor, and the path to the leaf is kept."""
    lineage = lineage_of(entries)
    way = list(lineage.up(lineage.leaf))
    assert len(way) == len(set(way)) <= len(lineage)
    assert not set(way) & set(lineage.left(lineage.leaf))


def test_long_turns_with_checkpoints_from_elsewhere_are_read_in_linear_time() -> None:
    """The number of entries visited per line does not grow with the turn."""
    walked = 0

    class Counting(Lineage):
        def up(self, uuid: str) -> Iterator[str]:
            nonlocal walked
            for each in super().up(uuid):
                walked += 1
                yield each

    lineage, count = Counting(), 3000
    lineage.add(prompt("p", None))
    for number in range(count):
        lineage.add(answer(f"a{number}", f"a{number - 1}" if number else "p"))
    for _ in range(count):
        lineage.add(checkpoint("elsewhere"))
    assert walked < 2 * count * 300
    assert lineage.leaf == f"a{count - 1}"
