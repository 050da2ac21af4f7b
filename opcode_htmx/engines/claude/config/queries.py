"""The queries about the configuration of Claude, which need no turn."""

from __future__ import annotations

import math

from opcode_htmx.engines.requests import Query
from opcode_htmx.lib.coerce import Json, as_dict

SETTINGS = Query("get_settings")
PERMISSION_RULES = Query("list_permission_rules")
HOOKS = Query("get_hooks_listing")
MEMORY = Query("get_memory_dialog")
SKILLS = Query("get_skills_dialog")
SANDBOX = Query("get_sandbox_dialog")
STATUS = Query("get_status")
MCP_STATUS = Query("mcp_status")

COST = Query("get_usage", {"skip_behaviors": True})
"""The cost of the session so far, also within a turn; without a look at all other sessions."""


def cost_in(answer: Json) -> float | None:
    """The cost of the session in US dollars, in the answer to COST; None if it does not have it."""
    cost = as_dict(answer.get("session")).get("total_cost_usd")
    return float(cost) if isinstance(cost, int | float) and 0 <= cost < math.inf else None


def mcp_authenticate(server: str, redirect_uri: str | None = None) -> Query:
    """Begin a sign-in at a server; without a redirect, to a port of this computer."""
    redirect = {"redirectUri": redirect_uri} if redirect_uri else {}
    return Query("mcp_authenticate", {"serverName": server, **redirect})


def mcp_callback(server: str, url: str) -> Query:
    """The address to which the authorization server has sent the browser."""
    return Query("mcp_oauth_callback_url", {"serverName": server, "callbackUrl": url})


def mcp_reconnect(server: str) -> Query:
    return Query("mcp_reconnect", {"serverName": server})


def mcp_clear_auth(server: str) -> Query:
    return Query("mcp_clear_auth", {"serverName": server})


def mcp_toggle(server: str, enabled: bool) -> Query:
    return Query("mcp_toggle", {"serverName": server, "enabled": enabled})


ALL = (SETTINGS, PERMISSION_RULES, HOOKS, MEMORY, SKILLS, SANDBOX, STATUS)
"""Those that are answered at once, and start nothing."""
