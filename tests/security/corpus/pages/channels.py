"""All channels onto pages other than that of a session."""

from __future__ import annotations

from tests.security.corpus.pages import forms, lists
from tests.security.corpus.pages.place import Planting

CHANNELS: dict[str, Planting] = {**lists.CHANNELS, **forms.CHANNELS}
