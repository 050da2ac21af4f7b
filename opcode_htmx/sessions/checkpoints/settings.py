"""The settings of checkpoints."""

from __future__ import annotations

from typing import Annotated

from opcode_htmx.config.declarations import FeatureSettings, Parser, setting

MOST = 1000


def _keep(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST):
        raise ValueError(f"is a number from 1 to {MOST}")
    return int(text)


class CheckpointsSettings(FeatureSettings):
    """OPCODE_CHECKPOINTS_AUTOMATIC and OPCODE_CHECKPOINTS_KEEP."""

    automatic: bool = setting(
        "1",
        "`1`: in git repositories a checkpoint of the files is taken before each prompt, where "
        "that takes a second or so. `0`: only where a person has chosen so.",
    )
    keep: Annotated[int, Parser(_keep)] = setting(
        "100", "How many automatic checkpoints each session keeps; the oldest go first."
    )
