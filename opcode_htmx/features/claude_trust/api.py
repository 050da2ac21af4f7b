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
ONE = "/api/trust/project"


class TrustApi:
    def __init__(self, trusted: TrustedProjects) -> None:
        self._trusted = trusted

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/trust",
                tag=TAG,
                summary="The trusted projects, and how much each brings",
                handler=self.all,
                response=list[schema.TrustedProject],
            ),
            Endpoint(
                method="GET",
                path=ONE,
                tag=TAG,
                summary="One trusted project with what it brings",
                handler=self.one,
                response=schema.DescribedTrustedProject,
                query=schema.TrustedProjectQuery,
                refusals=NOT_TRUSTED,
            ),
            Endpoint(
                method="DELETE",
                path=ONE,
                tag=TAG,
                summary="Stop trusting a project",
                handler=self.take_back,
                query=schema.TrustedProjectQuery,
                refusals={**NOT_TRUSTED, 503: "Claude's record could not be changed."},
                description="What is running goes on. The next start asks, on the computer too.",
            ),
        )

    def all(self) -> list[schema.TrustedProject]:
        return [
            schema.TrustedProject(
                project_path=each.name, is_gone=each.is_gone, brings=_counts(each)
            )
            for each in self._trusted.all()
        ]

    def one(self, query: schema.TrustedProjectQuery) -> schema.DescribedTrustedProject:
        found = self._found(query)
        return schema.DescribedTrustedProject(
            project_path=found.name,
            is_gone=found.is_gone,
            brings=_counts(found),
            items=_items(found),
        )

    def take_back(self, query: schema.TrustedProjectQuery) -> None:
        self._trusted.take_back(self._found(query).name, current_identity())

    def _found(self, query: schema.TrustedProjectQuery) -> TrustedProject:
        found = self._trusted.named(query.project_path)
        if found is None:
            raise NotFound("This project is not trusted.")
        return found


def _counts(project: TrustedProject) -> dict[str, int] | None:
    if project.items is None:
        return None
    return dict(Counter(str(item.kind) for item in project.items))


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
