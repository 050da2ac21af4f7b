"""What a person answers to the programs of a command decides how git runs."""

from __future__ import annotations

import pytest

from opcode_htmx.features.commits.projects import WITHOUT, Answer, Unconfirmed
from opcode_htmx.lib.git.listing.program import Program, Programs
from opcode_htmx.lib.git.policy import WRITING


def test_a_filter_is_left_out_whatever_its_name() -> None:
    filters = Programs((Program("filter", "exec", "tidy", of_repository=True),))

    assert Answer(WITHOUT).policy(filters) is WRITING


def test_steps_of_a_rebase_cannot_be_left_out() -> None:
    steps = Programs((Program("step of the rebase", "exec", "make", of_repository=True),))

    with pytest.raises(Unconfirmed):
        Answer(WITHOUT).policy(steps)
