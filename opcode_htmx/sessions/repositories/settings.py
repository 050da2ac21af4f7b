"""The settings of repositories, which the pages that stand on them read."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from opcode_htmx.config import values
from opcode_htmx.config.declarations import FeatureSettings, Parser, setting
from opcode_htmx.lib.git.clones.urls import is_loopback

GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"


def _address(value: str) -> str:
    if not value:
        return value
    parts = urlsplit(value.rstrip("/"))
    host = parts.hostname or ""
    if not host or parts.username or parts.query or parts.fragment:
        raise ValueError("must be the address of a host")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("must begin with https://")
    return value.rstrip("/")


class RepositoriesSettings(FeatureSettings):
    """OPCODE_REPOSITORIES_FOLDER, and where GitHub is."""

    folder: values.OptionalPath = setting(
        "",
        "The folder for clones (in `repos`) and for the worktrees of sessions (in `worktrees`); in "
        "one of `OPCODE_PROJECT_ROOTS`. Unset: `opcode` in the first of these.",
    )
    github: Annotated[str, Parser(_address)] = setting(
        GITHUB,
        "Where the repositories lie that are named as `owner/name`. `GITHUB_TOKEN` is sent to this "
        "host and to its API, and to no other.",
    )
    github_api: Annotated[str, Parser(_address)] = setting(
        "",
        "The API that lists your repositories. Unset: that of github.com, or `/api/v3` of the host "
        "in `OPCODE_REPOSITORIES_GITHUB`.",
    )

    @property
    def api(self) -> str:
        """The address of the API."""
        return self.github_api or (GITHUB_API if self.github == GITHUB else f"{self.github}/api/v3")
