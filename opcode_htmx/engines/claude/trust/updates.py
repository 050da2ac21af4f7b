"""The trust items of a permission update, which Claude writes into the settings of a project."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.engines.claude.trust.items import permission_item
from opcode_htmx.engines.trust import TrustItem
from opcode_htmx.lib.coerce import Json


def items_of_update(update: Json, folder: Path) -> list[TrustItem]:
    """The entries that Claude writes into a project's settings for a permission update."""
    if update.get("destination") not in ("localSettings", "projectSettings"):
        return []
    match update:
        case {"type": "addRules" | "replaceRules", "behavior": "allow", "rules": list(rules)}:
            texts = [_rule_text(rule) for rule in rules if isinstance(rule, dict)]
            return [permission_item("allow", text, folder) for text in texts]
        case {"type": "addDirectories", "directories": list(paths)}:
            return [permission_item("additionalDirectories", str(path), folder) for path in paths]
        case {"type": "setMode", "mode": str(mode)}:
            return [permission_item("defaultMode", mode, folder)]
    return []


def _rule_text(rule: Json) -> str:
    """A rule as Claude writes it: the parentheses of the content are escaped."""
    tool, content = rule.get("toolName"), rule.get("ruleContent")
    if not isinstance(content, str) or not content:
        return str(tool)
    escaped = content.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"{tool}({escaped})"
