"""The features of the app. A new one is a folder in features/ and a line here."""

from __future__ import annotations

from pkgutil import resolve_name

from opcode_htmx.features.feature import Feature

PACKAGES = (
    "opcode_htmx.features.home",
    "opcode_htmx.features.projects",
    "opcode_htmx.features.search",
    "opcode_htmx.features.session_page",
    "opcode_htmx.features.composer",
    "opcode_htmx.features.folders",
    "opcode_htmx.features.permissions",
    "opcode_htmx.features.project_trust",
    "opcode_htmx.features.session_options",
    "opcode_htmx.features.attention",
    "opcode_htmx.features.server",
    "opcode_htmx.features.health",
    "opcode_htmx.features.session_admin",
    "opcode_htmx.features.devices",
    "opcode_htmx.features.appearance",
    "opcode_htmx.features.sharing",
    "opcode_htmx.features.saved_prompts",
    "opcode_htmx.features.schedules",
    "opcode_htmx.features.budgets",
    "opcode_htmx.features.repositories",
    "opcode_htmx.features.storage",
    "opcode_htmx.features.logs",
    "opcode_htmx.features.backups",
    "opcode_htmx.features.resources",
    "opcode_htmx.features.metrics",
    "opcode_htmx.features.tracing",
    "opcode_htmx.features.claude",
    "opcode_htmx.features.claude_settings",
    "opcode_htmx.features.claude_hooks",
    "opcode_htmx.features.claude_files",
    "opcode_htmx.features.claude_memory",
    "opcode_htmx.features.claude_documents",
    "opcode_htmx.features.claude_permissions",
    "opcode_htmx.features.claude_trust",
    "opcode_htmx.features.claude_mcp",
    "opcode_htmx.features.claude_plugins",
    "opcode_htmx.features.claude_account",
    "opcode_htmx.features.usage",
    "opcode_htmx.features.agents",
    "opcode_htmx.features.changes",
    "opcode_htmx.features.files",
    "opcode_htmx.features.commits",
    "opcode_htmx.features.worktrees",
    "opcode_htmx.features.races",
    "opcode_htmx.features.checkpoints",
    "opcode_htmx.features.terminal",
    "opcode_htmx.features.preview",
    "opcode_htmx.features.trash",
    "opcode_htmx.api.feature",
)
"""Each declares itself in a `FEATURE`."""


def _declared_in(package: str) -> Feature:
    feature = resolve_name(f"{package}:FEATURE")
    if not isinstance(feature, Feature):
        raise TypeError(f"{package}.FEATURE is no Feature")
    return feature


FEATURES: tuple[Feature, ...] = tuple(map(_declared_in, PACKAGES))
