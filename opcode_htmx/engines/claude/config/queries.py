"""The queries about the configuration of Claude, which need no turn."""

from __future__ import annotations

from opcode_htmx.engines.requests import Query

SETTINGS = Query("get_settings")
PERMISSION_RULES = Query("list_permission_rules")
HOOKS = Query("get_hooks_listing")
MEMORY = Query("get_memory_dialog")
SKILLS = Query("get_skills_dialog")
SANDBOX = Query("get_sandbox_dialog")
STATUS = Query("get_status")
MCP_STATUS = Query("mcp_status")

ALL = (SETTINGS, PERMISSION_RULES, HOOKS, MEMORY, SKILLS, SANDBOX, STATUS)
"""Those that are answered at once, and start nothing."""
