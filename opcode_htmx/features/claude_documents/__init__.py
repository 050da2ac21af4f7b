"""Commands, skills and subagents: the Markdown files that extend Claude."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.engines.claude.config.documents.kinds import InvalidName
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.sessions.configuration.documents import InvalidDocument, NameTaken
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.engines.claude.config.documents.kinds import Kind
    from opcode_htmx.features.claude_documents import routes, tries
    from opcode_htmx.sessions.configuration.documents import Documents

    documents = Documents(context.sessions.configuration)
    for kind in Kind:
        pages = routes.blueprint(documents, kind, context.capabilities)
        if kind is not Kind.AGENT:
            tries.add_to(pages, documents, kind, context.sessions.drafts)
        yield pages


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_documents.api import SubagentsApi
    from opcode_htmx.sessions.configuration.documents import Documents

    yield from SubagentsApi(Documents(context.sessions.configuration)).endpoints()


FEATURE = Feature(
    name="claude_documents",
    routes=_routes,
    endpoints=_endpoints,
    errors={InvalidName: 422, InvalidDocument: 422, NameTaken: 409},
)
