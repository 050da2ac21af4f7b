"""Projects whose costs are noted, and files that are damaged."""

from __future__ import annotations

from pathlib import Path

ORCHARD, MEADOW = Path("/work/orchard"), Path("/work/meadow")
DAY = 86400

DAMAGED = ["{", '{"version": 99}', "[]"]
