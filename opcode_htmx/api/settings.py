"""Claude's settings, its versions, and what the user tells it in every session."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response

from opcode_htmx.api import models
from opcode_htmx.api.envelope import answer, body
from opcode_htmx.claude import user_files
from opcode_htmx.claude.installations import Installations
from opcode_htmx.web.fetch_metadata import acts


def blueprint(config_dir: Path, binary: Path, installations: Installations) -> Blueprint:
    """`binary` is the CLI with which this server works."""
    api = Blueprint("api_settings", __name__, url_prefix="/api/settings")

    @api.get("/claude")
    def claude() -> Response:
        return answer(models.ClaudeSettings(data=user_files.settings(config_dir)))

    @api.put("/claude")
    def put_claude() -> Response:
        new = body(models.NewSettings).settings
        return answer(models.ClaudeSettings(data=user_files.save_settings(config_dir, new)))

    @api.get("/claude/version")
    @acts(by="pages")
    def version() -> Response:
        found = installations.probe(binary)
        return answer(
            models.ClaudeVersion(
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
                models.ClaudeInstallation(
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
        return answer(user_files.system_prompt(config_dir))

    @api.put("/system-prompt")
    def put_system_prompt() -> Response:
        text = body(models.NewSystemPrompt).content
        user_files.save_system_prompt(config_dir, text)
        return answer(text)

    return api
