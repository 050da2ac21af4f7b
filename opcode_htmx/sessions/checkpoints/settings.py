"""The settings of checkpoints."""

from __future__ import annotations

from pydantic import field_validator

from opcode_htmx.config.declarations import FeatureSettings, setting


class CheckpointsSettings(FeatureSettings):
    """OPCODE_CHECKPOINTS_AUTOMATIC and OPCODE_CHECKPOINTS_KEEP."""

    automatic: bool = setting(
        "1",
        "`1`: in git repositories a checkpoint of the files is taken before each prompt, where "
        "that takes a second or so. `0`: only where a person has chosen so.",
    )
    keep: int = setting(
        "100", "How many automatic checkpoints each session keeps; the oldest go first."
    )

    @field_validator("keep")
    @classmethod
    def _keep(cls, value: int) -> int:
        if not 1 <= value <= 1000:
            raise ValueError("is a number from 1 to 1000")
        return value
