"""Claude's settings, its versions, and what the user tells it in every session."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response

from opcode_htmx.api.schema import responses
from opcode_htmx.api.schema.envelope import answer, body
from opcode_htmx.engines.claude.config import user_config
from opcode_htmx.engines.claude.install.installations import Installations
from opcode_htmx.web.origin.fetch_metadata import acts


def blueprint(config_dir: Path, binary: Path, installations: Installations) -> Blueprint:
    """`binary` is the CLI with which this server works."""
    api = Blueprint("api_settings", __name__, url_prefix="/api/settings")

    @api.get("/claude")
    def claude() -> Response:
        return answer(responses.ClaudeSettings(data=user_config.settings(config_dir)))

    @api.put("/claude")
    def put_claude() -> Response:
        new = body(responses.NewSettings).settings
        return answer(responses.ClaudeSettings(data=user_config.save_settings(config_dir, new)))

    @api.get("/claude/version")
    @acts(by="pages")
    def version() -> Response:
        found = installations.probe(binary)
        return answer(
            responses.ClaudeVersion(
                is_installed=found is not None,
                version=found.version_text if found else None,
                output=f"{found.version_text} (Claude Code)"
                if found
                else f"{binary} is not there any more, or does not run.",
            )
        )

    @api.get("/claude/installations")
    @acts(by="pages")
    def all_installations() -> Response:
        return answer(
            [
                responses.ClaudeInstallation(
                    path=str(each.path),
                    version=each.version,
                    source=each.source,
                    installation_type="Custom" if each.named else "System",
                )
                for each in installations.found()
            ]
        )

    @api.get("/system-prompt")
    def system_prompt() -> Response:
        return answer(user_config.system_prompt(config_dir))

    @api.put("/system-prompt")
    def put_system_prompt() -> Response:
        text = body(responses.NewSystemPrompt).content
        user_config.save_system_prompt(config_dir, text)
        return answer(text)

    return api
