"""The owner of a run as the run sees it; see owner.py."""

from __future__ import annotations

from typing import Protocol


class OwnerProtocol(Protocol):
    """What only one worker does for a run."""

    def end(self) -> None:
        """End the process, if there is one, since the run has been stopped."""

    def refuse_unsupported(self) -> None:
        """Answer requests of unknown kinds, for which Claude would otherwise wait for ever."""

    def detach(self) -> None:
        """Leave the run to another worker, or to the next server."""
