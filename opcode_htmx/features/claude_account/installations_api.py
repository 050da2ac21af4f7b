"""/api/settings/claude/installations: every Claude CLI, and which one is used."""

from __future__ import annotations

from flask import url_for

from opcode_htmx.features.claude_account import schema
from opcode_htmx.features.claude_account.api import PAGE
from opcode_htmx.features.claude_account.versions import Versions
from opcode_htmx.sessions.configuration.act_answers import BEGUN, ClaudeAct, described
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Settings"
ALL = "/api/settings/claude/installations"


class InstallationsApi:
    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ALL,
                tag=TAG,
                summary="Every Claude CLI on this computer",
                handler=self.all,
                response=list[schema.ClaudeInstallation],
                acts="pages",
            ),
            Endpoint(
                method="GET",
                path=f"{ALL}/chosen",
                tag=TAG,
                summary="The Claude CLI that was chosen",
                handler=self.chosen,
                response=schema.ChosenInstallation,
            ),
            Endpoint(
                method="PUT",
                path=f"{ALL}/chosen",
                tag=TAG,
                summary="Choose the Claude CLI to use",
                handler=self.choose,
                response=schema.ChosenInstallation,
                body=schema.InstallationChoice,
                description="New sessions use it; running ones keep theirs.",
            ),
            Endpoint(
                method="POST",
                path=f"{ALL}/update",
                tag=TAG,
                summary="Have a Claude CLI update itself",
                handler=self.update,
                response=ClaudeAct,
                body=schema.InstallationPath,
                status=202,
                description=BEGUN,
            ),
        )

    def all(self) -> list[schema.ClaudeInstallation]:
        return [
            schema.ClaudeInstallation(
                path=str(each.installation.path),
                version=each.installation.version,
                source=each.installation.source,
                installation_type="Custom" if each.installation.named else "System",
                is_used=each.is_used,
                is_chosen=each.is_chosen,
                is_too_old=each.is_too_old,
                is_updatable=each.is_updatable,
            )
            for each in self._versions.all()
        ]

    def chosen(self) -> schema.ChosenInstallation:
        return self._chosen(is_starting=False)

    def choose(self, body: schema.InstallationChoice) -> schema.ChosenInstallation:
        is_starting = self._versions.choose(body.path or "", current_identity())
        return self._chosen(is_starting=is_starting)

    def update(self, body: schema.InstallationPath) -> ClaudeAct:
        return described(self._versions.update(body.path, url_for(PAGE), current_identity()))

    def _chosen(self, *, is_starting: bool) -> schema.ChosenInstallation:
        versions = self._versions
        return schema.ChosenInstallation(
            path=str(versions.chosen) if versions.chosen else None,
            is_fixed=versions.is_fixed,
            is_waiting=versions.is_waiting,
            is_starting=is_starting,
        )
