"""The player of the differential tests itself, and the entry that the CLI resumes from.

The rule, for files that the CLI writes today. A *row* is a line with a uuid that is no sidechain;
the *checkpoint* is the `leafUuid` of the last `last-prompt` line that has one. Every process writes
such a line behind its first answer, when it ends, and when it rewinds (then `explicit`, `rewound`,
`cutUuid`); a killed one writes none.

1. The conversation ends with the last row of the file if that descends from the checkpoint, else
   with the checkpoint. Neither the order of the file nor a timestamp decides between two branches:
   of two living drivers the one that ended last wins.
2. An explicit checkpoint without a leaf empties the conversation, as far as no row follows.
3. Behind a compaction that preserved rows, all rows in front of it are gone but these, and what
   another driver adds to a lost row hangs on the last preserved one. Without preserved rows the old
   branch can come back.
4. The results of parallel calls are put back beside the chain: each is a child of its own call.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drift.job import JOB
from tests.generated.plans import (
    AGENTS,
    COMPACTED,
    DESK,
    KILLED,
    LAPTOP,
    RESTARTED,
    REWOUND,
    REWOUND_IN_REWINDS,
    TORN,
    TWO_THAT_LIVE,
    Clear,
    Compact,
    Desk,
    Failure,
    Files,
    Fork,
    Interrupt,
    InterruptTool,
    Plan,
    PlanFirst,
    Prompt,
    Question,
    Restart,
    Rewind,
    Step,
    Thoughts,
    generate,
)
from tests.generated.sessions import Session, played
from tests.support.fuzzing import chosen


def steps(*numbers: int) -> tuple[str, ...]:
    """The words of prompts and their answers."""
    return tuple(f"{word}{number}" for number in numbers for word in ("KIWI", "PLUM"))


def rows(session: Session, type_: str = "") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in session.lines]
    return [row for row in found if type_ in ("", row["type"])]


ONE = Prompt()
WHAT_IT_GOES_ON_FROM: dict[str, tuple[Plan, tuple[str, ...]]] = {
    "a rewound prompt is left out": (REWOUND, steps(0, 3)),
    "a rewound end stays rewound": ((ONE, ONE, Rewind(to=1)), steps(0)),
    "several prompts can be cut": ((ONE, ONE, ONE, Rewind(to=1), Restart(), ONE), steps(0, 5)),
    "a rewind may follow a rewind": (
        (ONE, ONE, ONE, Rewind(to=2), ONE, Rewind(to=1), ONE),
        steps(0, 6),
    ),
    "all can be cut": ((ONE, ONE, Rewind(to=0)), ()),
    "the desk goes on from the rewound place": ((ONE, ONE, Rewind(to=1), Desk()), steps(0, 3)),
    "the driver that ends last wins": ((ONE, Desk(), ONE), steps(0, 2)),
    "even in front of a later row": (TWO_THAT_LIVE, steps(0, 2)),
    "the other one if that ends last": (
        (ONE, Prompt(DESK), ONE, Prompt(DESK), Restart(), Restart(DESK)),
        steps(0, 1, 3),
    ),
    "of three as well": ((ONE, Prompt(DESK), Prompt(LAPTOP), ONE), steps(0, 1, 2)),
    "a driver in between, and a restart": (RESTARTED, steps(0, 1, 3)),
    "a killed driver loses": (KILLED, steps(0, 1)),
    "the summary and what was preserved": (
        (ONE, ONE, Compact(), ONE),
        ("DATE0", "PLUM1", *steps(3)),
    ),
    "what hung on a compacted row hangs on a preserved one": (
        (ONE, ONE, Prompt(DESK), Compact(), Prompt(DESK)),
        ("DATE0", "PLUM1", *steps(4)),
    ),
    "a rewind behind a compaction": (
        COMPACTED,
        ("DATE0", "PLUM1", *steps(5)),
    ),
    "tools, agents, and background work with a turn of its own": (
        AGENTS,
        (*steps(0, 1, 2, 3, 4), "FIG0", *steps(5), "FIG1", *steps(6)),
    ),
    "questions, plans, files and errors": (
        (ONE, Question(), PlanFirst(), Files(), Failure(), Thoughts()),
        (*steps(0, 1, 2, 3), "KIWI4", *steps(5)),
    ),
    "interrupted answers count": ((ONE, Interrupt(), InterruptTool(), ONE), steps(0, 1, 2, 3)),
    "a fork has only the living branch": (
        (ONE, ONE, Rewind(to=1), Fork(), ONE),
        steps(0, 3, 4),
    ),
    "a cleared session goes on as it was": ((ONE, Clear(), ONE, Restart(), ONE), steps(0, 4)),
    "and the new one has only what came behind": (
        (ONE, Clear(follow=True), ONE, Restart(), ONE),
        steps(2, 4),
    ),
}


PLAYED = chosen(
    WHAT_IT_GOES_ON_FROM,
    *("all can be cut", "a driver in between, and a restart", "a killed driver loses"),
    "even in front of a later row",
    *("what hung on a compacted row hangs on a preserved one", "a rewind behind a compaction"),
)  # and the drift check: agents, background work, and `/clear`


@pytest.mark.parametrize(("plan", "expected"), PLAYED.values(), ids=PLAYED.keys())
def test_claude_resumes_from_the_expected_entries(
    claude: Path, plan: Plan, expected: tuple[str, ...]
) -> None:
    capture = played(claude, plan)
    assert capture.refused == {}
    assert capture.session.goes_on_from == expected


def test_rewound_entries_stay_in_the_file(claude: Path) -> None:
    session = played(claude, REWOUND_IN_REWINDS).session
    assert session.words == steps(0, 1, 2, 4, 7)
    assert session.goes_on_from == steps(0, 7)
    assert session.cut == steps(1, 2, 4)


def test_a_rewind_writes_one_line(claude: Path) -> None:
    capture = played(claude, REWOUND_IN_REWINDS)
    lines = [row for row in rows(capture.session, "last-prompt") if row.get("rewound")]
    assert [line["cutUuid"] for line in lines] == [
        capture.prompts[prompt] for prompt in ("KIWI2", "KIWI1")
    ]
    for line, word in zip(lines, ("PLUM1", "PLUM0"), strict=True):
        [answer] = [row for row in rows(capture.session, "assistant") if word in json.dumps(row)]
        assert line["explicit"] is True
        assert line["leafUuid"] == answer["uuid"]


def test_results_of_parallel_calls_are_children_of_their_calls(claude: Path) -> None:
    session = played(claude, JOB).sessions[0]
    by_id = {row["uuid"]: row for row in rows(session) if "uuid" in row}
    results = [
        row
        for row in rows(session, "user")
        if isinstance(content := row["message"]["content"], list)
        and content[0]["type"] == "tool_result"
        and "LIME15" in str(content)
    ]
    assert len(results) == 3
    for row in results:
        call = by_id[row["parentUuid"]]["message"]["content"][0]
        assert row["parentUuid"] == row["sourceToolAssistantUUID"]
        assert call["id"] == row["message"]["content"][0]["tool_use_id"]


def test_compaction_starts_a_new_root(claude: Path) -> None:
    session = played(claude, COMPACTED).session
    [boundary] = [row for row in rows(session) if row.get("subtype") == "compact_boundary"]
    by_id = {row["uuid"]: row for row in rows(session) if "uuid" in row}
    assert boundary["parentUuid"] is None
    assert boundary["logicalParentUuid"] in by_id
    [kept] = boundary["compactMetadata"]["preservedMessages"]["uuids"]
    assert "PLUM1" in json.dumps(by_id[kept])


def test_a_run_knows_its_part_of_the_file(claude: Path) -> None:
    session = played(claude, RESTARTED).session
    assert [run.driver for run in session.runs] == ["desk-1", "phone", "phone"]
    desk, phone, last = session.runs
    assert (phone.history_start, last.history_end) == (0, len(session.history))
    assert 0 < desk.history_start < desk.history_end < last.history_start
    assert b"KIWI1" in session.history[desk.history_start : desk.history_end]
    assert b"PLUM1" in desk.stdout
    assert b"KIWI1" in desk.sent[0]


def test_agents_are_captured_beside_the_file(claude: Path) -> None:
    session = played(claude, JOB).sessions[0]
    one, other = (content for name, content in session.agents.items() if name.endswith(".jsonl"))
    assert (b"PEAR16" in one, b"PEAR17" in one) in {(True, False), (False, True)}
    assert (b"PEAR16" in other, b"PEAR17" in other) == (b"PEAR17" in one, b"PEAR16" in one)
    assert "LIME16" in session.all_words_sent


def test_a_clear_begins_a_session(claude: Path) -> None:
    old, new, _ = played(claude, JOB).sessions
    assert (old.words[-2:], new.words) == (steps(20), steps(22))
    assert old.runs[-1] == new.runs[0]


def test_session_with_a_truncated_last_line_is_resumed(claude: Path) -> None:
    session = played(claude, TORN).session
    assert session.goes_on_from == (*steps(0), "KIWI1", *steps(3))


def test_a_refused_step_is_noted(claude: Path) -> None:
    capture = played(claude, REWOUND_IN_REWINDS)
    assert list(capture.refused) == [6]


def test_a_seed_gives_one_plan() -> None:
    assert generate(5) == generate(5)
    assert len(generate(5, length=12)) == 12


def test_the_plans_of_some_seeds_have_every_step() -> None:
    found = {type(step) for seed in range(60) for step in generate(seed, wide=True)}
    assert found == set(Step.__subclasses__()) - {PlanFirst, Failure}


def test_a_generated_plan_can_be_played(claude: Path) -> None:
    capture = played(claude, generate(4, wide=True))
    assert all(session.goes_on_from is not None for session in capture.sessions)
