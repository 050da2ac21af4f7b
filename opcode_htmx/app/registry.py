"""The features of the app. A new one is a folder in features/ and a line here."""

from __future__ import annotations

from opcode_htmx.api.feature import FEATURE as API
from opcode_htmx.features import (
    attention,
    composer,
    permissions,
    project_trust,
    projects,
    session_admin,
    session_options,
    session_page,
    trash,
)
from opcode_htmx.features.feature import Feature

FEATURES: tuple[Feature, ...] = (
    projects.FEATURE,
    session_page.FEATURE,
    composer.FEATURE,
    permissions.FEATURE,
    project_trust.FEATURE,
    session_options.FEATURE,
    attention.FEATURE,
    session_admin.FEATURE,
    trash.FEATURE,
    API,
)
