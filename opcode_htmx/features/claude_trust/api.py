"""/api/trust: the trusted projects, as the pages show them, and trust taken back."""

from __future__ import annotations

from collections import Counter

from werkzeug.exceptions import NotFound

from opcode_htmx.features.claude_trust import schema
from opcode_htmx.features.claude_trust.service import (
    TrustedProject,
    TrustedProjects,
    without_secrets,
)
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Trust"
NOT_TRUSTED = {404: "This project is not trusted."}
ADDRESS = "/api/trust"


class TrustApi:
    def __init__(self, trusted: TrustedProjects) -> None:
        self._trusted = trusted

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ADDRESS,
                tag=TAG,
                summary="The trusted projects, or one of them with all that it brings",
                handler=self.shown,
                response=list[schema.TrustedProject],
                query=schema.TrustedProjectQuery,
                refusals=NOT_TRUSTED,
            ),
            Endpoint(
                method="DELETE",
                path=ADDRESS,
                tag=TAG,
                summary="Stop trusting a project",
                handler=self.take_back,
                query=schema.NamedTrustedProject,
                refusals={**NOT_TRUSTED, 503: "Claude's record could not be changed."},
                description="What is running goes on. The next start asks, on the computer too.",
            ),
        )

    def shown(self, query: schema.TrustedProjectQuery) -> list[schema.TrustedProject]:
        if query.project_path is None:
            return [_described(each) for each in self._trusted.all()]
        found = self._found(query.project_path)
        return [_described(found, _items(found))]

    def take_back(self, query: schema.NamedTrustedProject) -> None:
        self._trusted.take_back(self._found(query.project_path).name, current_identity())

    def _found(self, name: str) -> TrustedProject:
        found = self._trusted.named(name)
        if found is None:
            raise NotFound("This project is not trusted.")
        return found


def _described(
    project: TrustedProject, items: list[schema.TrustedItem] | None = None
) -> schema.TrustedProject:
    brings = None
    if project.items is not None:
        brings = dict(Counter(str(item.kind) for item in project.items))
    return schema.TrustedProject(
        project_path=project.name, is_gone=project.is_gone, brings=brings, items=items
    )


def _items(project: TrustedProject) -> list[schema.TrustedItem] | None:
    if project.items is None:
        return None
    return [
        schema.TrustedItem(
            kind=str(item.kind),
            name=item.name,
            text=without_secrets(item),
            left_out=item.left_out,
            file=str(item.file),
        )
        for item in project.items
    ]
