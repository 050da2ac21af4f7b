"""What the owner of a run does for it, as the run knows it; see owner.py."""

from __future__ import annotations

from typing import Protocol


class OwnerProtocol(Protocol):
    """What one worker does for a run, and the others do not."""

    def end(self) -> None:
        """End what there is of the process, since the run is to stop."""

    def refuse_unsupported(self) -> None:
        """Answer the requests of unknown kinds, which would otherwise hold Claude for ever."""

    def detach(self) -> None:
        """Leave the run to another worker, or to the next server."""
