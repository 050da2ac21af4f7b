"""The revision that a request of the API bases a change on, and the refusal of an old one."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from opcode_htmx.lib.files.versioned_files import Place
from opcode_htmx.sessions.configuration.service import Configuration

Revision = Annotated[str, StringConstraints(max_length=64)]
OF_FILE = "Of the file that this is based on; refused if it is another one by now."
OF_TEXT = "Of the text that this replaces; refused if the file holds another one by now."

CHANGED = {409: "The file has changed in the meantime."}
TEXT_CHANGED = {409: "The file has changed in the meantime: `sent` and `current` hold both texts."}
"""Where the answer is `envelope.conflict`."""


def based_on(configuration: Configuration, place: Place, revision: str | None) -> str:
    """The revision of a request; without one, that of what the file holds now.

    Raises FileRefused.
    """
    return configuration.files.read(place).revision if revision is None else revision
