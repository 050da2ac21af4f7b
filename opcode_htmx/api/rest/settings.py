"""/api/settings: Claude's settings, its version, and the user's CLAUDE.md."""

from __future__ import annotations

import json
from pathlib import Path

from opcode_htmx.api.schema import requests, responses
from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.scopes import Scope, user_memory_place
from opcode_htmx.engines.claude.install.installations import Installations
from opcode_htmx.lib.coerce import Json
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Settings"
CANNOT_READ = {422: "The file cannot be read as what it should be."}


class SettingsApi:
    def __init__(
        self, configuration: Configuration, binary: Path, installations: Installations
    ) -> None:
        """`binary` is the CLI with which this server works."""
        self._configuration = configuration
        self._settings = configuration.settings_places(ChosenProject())[Scope.USER]
        self._memory = user_memory_place(configuration.workspace.config_dir)
        self._binary = binary
        self._installations = installations

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/settings/claude",
                tag=TAG,
                summary="The user's settings.json",
                handler=self.settings,
                response=responses.ClaudeSettings,
                refusals=CANNOT_READ,
                description="Secrets under env are shown as ********.",
            ),
            Endpoint(
                method="PUT",
                path="/api/settings/claude",
                tag=TAG,
                summary="Write the user's settings.json",
                handler=self.save_settings,
                response=responses.ClaudeSettings,
                body=requests.NewSettings,
                description="The whole object is replaced. ******** under env keeps the secret "
                "as it is.",
            ),
            Endpoint(
                method="GET",
                path="/api/settings/claude/version",
                tag=TAG,
                summary="The Claude CLI that is used",
                handler=self.version,
                response=responses.ClaudeVersion,
                acts="pages",
            ),
            Endpoint(
                method="GET",
                path="/api/settings/system-prompt",
                tag=TAG,
                summary="The user's CLAUDE.md",
                handler=self.system_prompt,
                response=str,
                refusals=CANNOT_READ,
            ),
            Endpoint(
                method="PUT",
                path="/api/settings/system-prompt",
                tag=TAG,
                summary="Write the user's CLAUDE.md",
                handler=self.save_system_prompt,
                response=str,
                body=requests.NewSystemPrompt,
            ),
        )

    def settings(self) -> responses.ClaudeSettings:
        return responses.ClaudeSettings(data=self._read())

    def save_settings(self, body: requests.NewSettings) -> responses.ClaudeSettings:
        based_on = self._configuration.files.read(self._settings).revision
        self._read()  # a file that cannot be read is not overwritten
        try:
            text = json.dumps(body.settings, indent=2, ensure_ascii=False, allow_nan=False)
        except (ValueError, RecursionError):
            raise InvalidJson("The settings hold something that JSON cannot hold.") from None
        self._configuration.save_json(self._settings, f"{text}\n", based_on, current_identity())
        return responses.ClaudeSettings(data=self._read())

    def _read(self) -> Json:
        """The user's settings, with their secrets hidden. Raises InvalidJson, FileRefused."""
        try:
            return json_text.parse(self._configuration.read_json(self._settings).text)
        except InvalidJson as error:
            raise InvalidJson(f"Claude's settings.json cannot be used. {error}") from None

    def version(self) -> responses.ClaudeVersion:
        found = self._installations.probe(self._binary)
        return responses.ClaudeVersion(
            is_installed=found is not None,
            version=found.version_text if found else None,
            output=f"{found.version_text} (Claude Code)"
            if found
            else f"{self._binary} is not there any more, or does not run.",
        )

    def system_prompt(self) -> str:
        return self._configuration.files.read(self._memory).text

    def save_system_prompt(self, body: requests.NewSystemPrompt) -> str:
        based_on = self._configuration.files.read(self._memory).revision
        self._configuration.save(self._memory, body.content, based_on, current_identity())
        return body.content
