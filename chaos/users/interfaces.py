"""What a person does to a session, once each, through the interface that the plan names."""

from __future__ import annotations

import json
import uuid
from typing import Any

import requests

from chaos.plan import Turn
from chaos.server.environment import ServerUnderTest
from chaos.users.clients import next_message
from chaos.users.programs import open_socket
from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import PASSWORD, USER


class Interfaces:
    """REST, the socket for programs, and the forms of pages: `rest`, `socket` and `page`.

    A request that the server does not answer raises one of `chaos.users.clients.LOST`.
    """

    def __init__(self, server: ServerUnderTest, session_id: str) -> None:
        self._server = server
        self._session_id = session_id
        self._folder = server.sandbox.project

    @property
    def path(self) -> str:
        """The address of the session's page."""
        return f"/projects/{project_id(self._folder)}/sessions/{self._session_id}"

    # --- prompts ----------------------------------------------------------------------------

    def send(self, turn: Turn, *, has_begun: bool) -> str:
        """Send a prompt; empty if it was accepted, else the reason."""
        match turn.way:
            case "rest":
                return self._send_by_rest(turn)
            case "socket":
                return self._send_by_socket(turn)
            case _ if has_begun:
                return self._send_by_page(turn)
            case _:  # programs begin sessions here: a form would create another id
                return self._begin_for_page(turn)

    def _send_by_rest(self, turn: Turn) -> str:
        body = self._body(turn)
        answer = self._post_json("/api/sessions/execute", body)
        if answer.status_code == 409:
            answer = self._post_json("/api/sessions/resume", body)
        return "" if answer.status_code == 202 else f"{answer.status_code} {answer.text[:300]}"

    def _send_by_socket(self, turn: Turn) -> str:
        ws = open_socket(self._server)
        try:
            for command in ("execute", "resume"):
                ws.send(json.dumps({"command_type": command, **self._body(turn), "detach": True}))
                while (message := json.loads(next_message(ws)))["type"] not in (
                    "start",
                    "error",
                ):
                    pass
                if message["type"] == "start":
                    return ""
            return str(message["message"])
        finally:
            ws.shutdown()

    def _send_by_page(self, turn: Turn) -> str:
        form = {"prompt_id": turn.prompt_id, "prompt": turn.text}
        answer = self._server.post(f"{self.path}/prompt", form)
        return "" if answer.status_code == 303 else f"{answer.status_code} {answer.text[:300]}"

    def _begin_for_page(self, turn: Turn) -> str:
        body = {**self._body(turn), "prompt_id": sent_id(turn)}
        answer = self._post_json("/api/sessions/execute", body)
        return "" if answer.status_code in (202, 409) else f"{answer.status_code} {answer.text}"

    def _body(self, turn: Turn) -> dict[str, Any]:
        return {
            "project_path": str(self._folder),
            "prompt": turn.text,
            "session_id": self._session_id,
            "prompt_id": turn.prompt_id,
        }

    def _post_json(self, path: str, body: dict[str, Any]) -> requests.Response:
        return requests.post(self._server.url + path, json=body, auth=(USER, PASSWORD), timeout=30)

    # --- Stop and answers -------------------------------------------------------------------

    def stop(self, way: str, run_id: str) -> bool:
        """Stop a run; whether that was accepted, or the run has ended."""
        if way == "socket":
            ws = open_socket(self._server)
            try:
                ws.send(json.dumps({"command_type": "cancel", "session_id": self._session_id}))
                while True:
                    message = json.loads(next_message(ws))
                    if message["type"] in ("ended", "error") and not message.get("content"):
                        return message["type"] == "ended" or "ended" in message["message"]
            finally:
                ws.shutdown()
        if way == "page":
            return self._server.post(f"/runs/{run_id}/stop", {}).status_code in (303, 409)
        answer = self._post_json(f"/api/sessions/{self._session_id}/cancel", {})
        return answer.status_code == 200

    def answer(self, way: str, run_id: str, request_id: str) -> None:
        """Answer a permission request."""
        if way == "socket":
            ws = open_socket(self._server)
            try:
                permission = {
                    "command_type": "permission",
                    "session_id": self._session_id,
                    "request_id": request_id,
                    "decision": "allow",
                }
                ws.send(json.dumps(permission))
                ws.send(json.dumps({"command_type": "attach", "session_id": self._session_id}))
                next_message(ws)  # something, once both have been carried out
            finally:
                ws.shutdown()
        else:
            decision = {"decision": "allow" if way == "page" else "deny"}
            self._server.post(f"/runs/{run_id}/asks/{request_id}", decision)


def sent_id(turn: Turn) -> str:
    """The id under which a prompt arrives: a form's is made into another one with the words."""
    if turn.way == "page":
        return str(uuid.uuid5(uuid.UUID(turn.prompt_id), turn.text))
    return turn.prompt_id
