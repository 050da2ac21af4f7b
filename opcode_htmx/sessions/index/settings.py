"""The setting of the index, which the pages that stand on it read."""

from __future__ import annotations

from opcode_htmx.config.declarations import FeatureSettings, setting


class SearchSettings(FeatureSettings):
    """OPCODE_SEARCH_INDEX."""

    index: bool = setting(
        "1",
        "`1`: an index of all sessions is kept, in which the page Search finds words, and from "
        "which Usage counts. `0`: there is none.",
    )
