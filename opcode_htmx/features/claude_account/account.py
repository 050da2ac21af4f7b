"""Who is logged in to Claude, and by what, as `claude auth status` says; and logging out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from opcode_htmx.engines.base import Launcher
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.coerce import as_dict, as_str
from opcode_htmx.lib.dataclass import dataclass
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
    "email": "email",
    "orgName": "organization",
    "subscriptionType": "subscription",
    "apiKeySource": "key_from",
    "loginExpiresAt": "login_ends",
    "configDirectory": "kept_in",
}
"""What is shown of Claude's answer, by the names here: names and places, no secrets."""
LABELS = {
    "by": "By",
    "provider": "Provider",
    "email": "Email",
    "organization": "Organization",
    "subscription": "Subscription",
    "key_from": "API key from",
    "login_ends": "Log-in ends",
    "kept_in": "Kept in",
}
_VARIABLES = frozenset({"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "apiKeyHelper"})
"""Where a key may come from that takes precedence over a log-in."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """What Claude says; `facts` by the names in LABELS. `problem` says why nothing is known."""

    is_logged_in: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    key_source: str = ""
    """Where the API key comes from that is used instead of a log-in, if there is one."""
    problem: str = ""

    @property
    def rows(self) -> Mapping[str, str]:
        """The facts by their labels."""
        return {label: self.facts[name] for name, label in LABELS.items() if name in self.facts}


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
    facts = {
        "by": _METHODS.get(method, method) if is_logged_in else "",
        "provider": _PROVIDERS.get(provider, provider),
        **{name: str(answer[given]) for given, name in _SHOWN.items() if answer.get(given)},
    }
    source = as_str(answer.get("apiKeySource"))
    return AccountView(
        is_logged_in,
        {name: text for name, text in facts.items() if text},
        source if source in _VARIABLES else "",
    )
