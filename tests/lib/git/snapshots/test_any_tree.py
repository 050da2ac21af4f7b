"""Whatever is in a tree, a restore makes it equal byte by byte, and so does the undo."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lib.git.snapshots.conftest import plain
from tests.lib.git.snapshots.support import RULES, Orchard, differences, ignored
from tests.support.plain_git import configure

_EXAMPLES = settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def conversions(orchard: Orchard, rng: random.Random) -> None:
    """Settings under which git itself would change contents on their way."""
    configure(orchard.top, "core.autocrlf", rng.choice(("true", "input", "false")))
    configure(orchard.top, "core.safecrlf", "false")
    configure(orchard.top, "core.fileMode", rng.choice(("true", "false")))
    configure(orchard.top, "filter.upper.clean", "tr a-z A-Z")
    configure(orchard.top, "filter.upper.smudge", "tr A-Z a-z")
    (orchard.top / ".gitattributes").write_text(
        "*.txt text eol=crlf\nb.txt filter=upper ident\n[attr]loud filter=upper\nd* loud\n"
    )
    (orchard.top / ".gitignore").write_text(RULES)


@given(seed=st.integers(0, 2**32), with_git=st.booleans())
@_EXAMPLES
def test_restore_and_undo_are_equal_byte_by_byte_and_index_and_head_unchanged(
    seed: int, with_git: bool
) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secrets
    with tempfile.TemporaryDirectory() as place:
        orchard = plain(Path(place))
        if with_git:
            orchard.repository()
            conversions(orchard, rng)
        else:
            (orchard.top / ".gitignore").write_text(RULES)
        orchard.edit(rng, rng.randrange(40))
        if with_git and rng.random() < 0.7:
            orchard.git("add", "-A")
            orchard.git("commit", "-q", "--allow-empty", "-m", "x")
            orchard.edit(rng, rng.randrange(10))
        states = orchard.git_state()
        first, then = orchard.take(), orchard.contents()
        orchard.edit(rng, rng.randrange(40))
        (orchard.top / ".gitignore").write_text(RULES)  # they stay; see test_what_is_not_saved
        before = orchard.contents()

        now, outcome = orchard.restore(first)
        assert not outcome.kept
        assert not differences(orchard.contents(), then)
        assert ignored(orchard.contents()) == ignored(before)
        assert orchard.git_state() == states

        _, outcome = orchard.restore(now)
        assert not outcome.kept
        assert not differences(orchard.contents(), before)
        assert ignored(orchard.contents()) == ignored(before)
        assert orchard.git_state() == states
