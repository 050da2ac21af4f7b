"""The links from each session and each project to what other features show of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from flask import Flask

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, PageLink
from opcode_htmx.lib.dataclass import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """A link as rendered."""

    label: str
    address: str


def register(app: Flask, features: Sequence[Feature], context: AppContext) -> None:
    """Add the template globals `session_links()` and `project_links()`."""
    of_sessions = _sorted(link for feature in features for link in feature.session_links)
    of_projects = _sorted(link for feature in features for link in feature.project_links)

    def session_links(project_id: str, session_id: str) -> list[Link]:
        return _shown(of_sessions, context, project_id, session_id)

    def project_links(project_id: str, folder: str) -> list[Link]:
        return _shown(of_projects, context, project_id, folder)

    app.add_template_global(session_links, "session_links")
    app.add_template_global(project_links, "project_links")


def _sorted(links: Iterable[PageLink]) -> list[PageLink]:
    return sorted(links, key=lambda link: link.order)


def _shown(
    links: Iterable[PageLink], context: AppContext, project_id: str, subject: str
) -> list[Link]:
    found = (Link(link.label, _address(link, context, project_id, subject)) for link in links)
    return [link for link in found if link.address]


def _address(link: PageLink, context: AppContext, project_id: str, subject: str) -> str:
    """Empty if it cannot be made: the page that would show the link matters more."""
    try:
        return link.address(context, project_id, subject)
    except Exception:
        log.exception("the link %s could not be made", link.label)
        return ""
