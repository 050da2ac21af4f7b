"""/api/acts: what became of an act on Claude's configuration."""

from __future__ import annotations

from werkzeug.exceptions import NotFound

from opcode_htmx.sessions.configuration.act_answers import ClaudeAct, described
from opcode_htmx.sessions.configuration.acts import Acts
from opcode_htmx.web.rest.endpoint import Endpoint


class ActsApi:
    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/acts/{act_id}",
                tag="Claude",
                summary="What became of an act that was begun",
                handler=self.act,
                response=ClaudeAct,
                refusals={404: "What became of it is not known any more."},
                description="Such as the installation of a plugin. It is known for an hour.",
            ),
        )

    def act(self, act_id: str) -> ClaudeAct:
        found = self._acts.get(act_id)
        if found is None:
            raise NotFound("What became of this is not known any more.")
        return described(found)
