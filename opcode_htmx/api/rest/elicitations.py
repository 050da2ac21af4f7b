"""/api/sessions/<id>/elicitations: what MCP servers ask the person, and the answers."""

from __future__ import annotations

from opcode_htmx.api.rest.refusals import FORBIDDEN, NOT_FOUND
from opcode_htmx.api.schema import responses
from opcode_htmx.api.schema.requests import ElicitationAnswer
from opcode_htmx.api.service.elicitations import elicitation_fields, open_elicitations
from opcode_htmx.api.service.run_service import RunService
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Sessions"
PATH = "/api/sessions/{either_id}/elicitations"


class ElicitationsApi:
    def __init__(self, service: RunService) -> None:
        self._service = service

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=PATH,
                tag=TAG,
                summary="What MCP servers ask in a session now",
                handler=self.all,
                response=list[responses.OpenElicitation],
                refusals=NOT_FOUND,
            ),
            Endpoint(
                method="POST",
                path=f"{PATH}/{{request_id}}",
                tag=TAG,
                summary="Answer what an MCP server asks",
                handler=self.answer,
                response=responses.AnsweredElicitation,
                body=ElicitationAnswer,
                refusals={
                    **NOT_FOUND,
                    403: FORBIDDEN,
                    409: "It is no longer asked, or nothing runs in the session.",
                    422: "The content does not fit the form: “problems” has a sentence for each "
                    "field.",
                },
            ),
        )

    def all(self, either_id: str) -> list[responses.OpenElicitation]:
        session_id = self._service.session_id(either_id)
        return [
            responses.OpenElicitation(run_id=run.id, **elicitation_fields(request))
            for run in self._service.supervisor.of_session(session_id)
            if run.live
            for request in open_elicitations(run)
        ]

    def answer(
        self, either_id: str, request_id: str, body: ElicitationAnswer
    ) -> responses.AnsweredElicitation:
        run = self._service.newest_run(self._service.session_id(either_id))
        run.answer_elicitation(request_id, body.action, body.content, by=current_identity())
        return responses.AnsweredElicitation(
            request_id=request_id, run_id=run.id, action=body.action
        )
