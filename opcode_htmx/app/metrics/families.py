"""The platform's metrics; features declare their own."""

from __future__ import annotations

from collections.abc import Iterable

from opcode_htmx.features.feature import Feature
from opcode_htmx.lib.concurrency import loop_monitor
from opcode_htmx.lib.metrics.families import Family
from opcode_htmx.runs.following import first_token
from opcode_htmx.web.auth import visitors
from opcode_htmx.web.server import request_times

PLATFORM: tuple[Family, ...] = (
    first_token.FIRST_TOKEN,
    loop_monitor.STALLS,
    loop_monitor.BUSY,
    request_times.REQUESTS,
    visitors.LOGINS,
    visitors.REFUSED,
)


def of(features: Iterable[Feature]) -> tuple[Family, ...]:
    """All declarations: the platform's, then those of the features."""
    return (*PLATFORM, *(each for feature in features for each in feature.metrics))
