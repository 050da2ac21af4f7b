"""Who is logged in to Claude, and by what, as `claude auth status` says; and logging out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opcode_htmx.engines.base import Launcher
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.coerce import as_dict, as_str
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.queries import subcommand
from opcode_htmx.runs.queries.subcommand import SubcommandFailed
from opcode_htmx.sessions.configuration.acts import Act, ActFailed, Acts
from opcode_htmx.sessions.configuration.reports import ClaudeReports

_METHODS = {
    "claude.ai": "Claude subscription",
    "api_key": "API key",
    "api_key_helper": "A program that prints an API key (apiKeyHelper)",
    "oauth_token": "A token for a subscription (CLAUDE_CODE_OAUTH_TOKEN)",
    "third_party": "Another provider",
}
_PROVIDERS = {
    "firstParty": "Anthropic",
    "bedrock": "Amazon Bedrock",
    "vertex": "Google Vertex AI",
    "foundry": "Microsoft Foundry",
}
_SHOWN = {
    "email": "Email",
    "orgName": "Organization",
    "subscriptionType": "Subscription",
    "apiKeySource": "API key from",
    "loginExpiresAt": "Log-in ends",
    "configDirectory": "Kept in",
}
"""What is shown of Claude's answer: names and places, no secrets."""
_VARIABLES = frozenset({"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "apiKeyHelper"})
"""Where a key may come from that takes precedence over a log-in."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """What a page shows; `rows` by their labels. `problem` says why nothing is known."""

    is_logged_in: bool = False
    rows: Mapping[str, str] | None = None
    key_source: str = ""
    """Where the API key comes from that is used instead of a log-in, if there is one."""
    problem: str = ""


class Account:
    """The account of one configuration of Claude."""

    def __init__(
        self, launcher: Launcher, empty_folder: Path, acts: Acts, reports: ClaudeReports
    ) -> None:
        self._launcher = launcher
        self._empty_folder = empty_folder
        self._acts = acts
        self._reports = reports

    def view(self) -> AccountView:
        """Ask Claude. Never raises: see AccountView.problem."""
        try:
            output = self._run("status", "--json")
            answer = as_dict(bounded_json.loads(output.text))
        except SubcommandFailed as error:
            return AccountView(problem=str(error))
        except ValueError:
            return AccountView(problem="Claude did not say who is logged in.")
        return view_of(answer)

    def log_out(self, back: str, by: Identity) -> Act:
        """Begin to log out."""
        log_act(by, "claude.log_out")

        def work() -> str:
            try:
                output = self._run("logout")
            except SubcommandFailed as error:
                raise ActFailed(str(error)) from None
            self._reports.forget()
            if output.status != 0:
                said = (output.errors or output.text).strip()[:300]
                raise ActFailed(said or "Claude did not log out, and did not say why.")
            said = output.text.strip()
            if said and not said.startswith("Successfully"):
                return said[:300]  # it could not be revoked everywhere
            return "Claude is logged out on this computer."

        return self._acts.begin("Log out of Claude", back, work)

    def _run(self, *arguments: str) -> subcommand.Output:
        atomic_files.make_folder(self._empty_folder)
        return subcommand.run(self._launcher.subcommand("auth", *arguments), self._empty_folder)


def view_of(answer: Mapping[str, Any]) -> AccountView:
    """The view of what Claude answers."""
    method, provider = as_str(answer.get("authMethod")), as_str(answer.get("apiProvider"))
    is_logged_in = answer.get("loggedIn") is True
    rows = {"By": _METHODS.get(method, method) if is_logged_in else "", "Provider": provider}
    rows["Provider"] = _PROVIDERS.get(provider, provider)
    rows |= {label: str(answer[name]) for name, label in _SHOWN.items() if answer.get(name)}
    source = as_str(answer.get("apiKeySource"))
    return AccountView(
        is_logged_in,
        {label: text for label, text in rows.items() if text},
        source if source in _VARIABLES else "",
    )
