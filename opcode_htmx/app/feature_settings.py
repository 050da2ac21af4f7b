"""The settings that features declare, for the launcher and the app."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opcode_htmx.config.declarations import FeatureSettings

if TYPE_CHECKING:
    from opcode_htmx.features.feature import Feature


def of(features: Iterable[Feature]) -> tuple[type[FeatureSettings], ...]:
    """The declarations, in the order of the features."""
    return tuple(each.settings for each in features if each.settings)


def load() -> tuple[type[FeatureSettings], ...]:
    """The declarations of all registered features. Imports them, and with them Flask."""
    from opcode_htmx.app.registry import FEATURES

    return of(FEATURES)
