"""/api/sessions/…/rewind: go back to before a prompt."""

from __future__ import annotations

from collections.abc import Iterable

from opcode_htmx.features.checkpoints import schema
from opcode_htmx.features.checkpoints.rewind import Rewind
from opcode_htmx.features.context import AppContext
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint


def endpoints(context: AppContext, rewind: Rewind) -> Iterable[Endpoint]:
    def go(session_id: str, body: schema.RewindRequest) -> schema.Rewound:
        location, by = context.sessions.locations.of(session_id), current_identity()
        session_id, folder = location.session_id, location.working_folder
        block = rewind.prompt(location.claude_folder, session_id, body.prompt_id)
        undo = None
        if body.what != "conversation":
            if body.means == "checkpoint":
                rewind.files_by_checkpoint(session_id, block.id, body.digest, by)
            else:
                rewind.files_by_claude(session_id, folder, block.id, by)
            restored = context.sessions.checkpoints.store.read(session_id).restored
            undo = restored.undo if restored else None
        if body.what != "files":
            rewind.conversation(location.claude_folder, session_id, folder, block, by)
        context.runs.changes(session_id).notify()
        return schema.Rewound(undo=undo, prompt=block.text)

    yield Endpoint(
        method="POST",
        path="/api/sessions/{session_id}/rewind",
        tag="Checkpoints",
        summary="Go back to before a prompt",
        handler=go,
        response=schema.Rewound,
        body=schema.RewindRequest,
        refusals={
            404: "There is no such session.",
            409: "Claude is at work, or the prompt, or a checkpoint of it, is not there any more.",
            503: "Claude cannot be started for it.",
        },
        description="The prompt becomes the draft of the session, if the conversation goes back.",
    )
