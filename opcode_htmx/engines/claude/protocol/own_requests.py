"""Our own requests as Claude's stream-json has them, and the answers in both directions. Pure."""

from __future__ import annotations

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.claude.protocol.encoder import control_line
from opcode_htmx.engines.messages import ControlResponse, Unknown
from opcode_htmx.engines.requests import Agreed, OwnRequest, RequestKind


def change_line(request_id: str, option: str, value: object) -> bytes | None:
    """Request a change of an option; None if the process has nothing to do with it."""
    match option:
        case RequestKind.MODEL:
            return control_line(request_id, "set_model", model=value)
        case RequestKind.EFFORT:
            settings = {"effortLevel": value}
            return control_line(request_id, "apply_flag_settings", settings=settings)
        case RequestKind.PERMISSION_MODE if value:
            return control_line(request_id, "set_permission_mode", mode=value)
        case _:
            return None


def cancel_prompt_line(request_id: str, prompt_id: str) -> bytes:
    return control_line(request_id, "cancel_async_message", message_uuid=prompt_id)


def interrupt_line(request_id: str) -> bytes:
    # otherwise Claude would start the next prompt in its queue at once
    return control_line(request_id, "interrupt", cancel_queued=True)


def own_request(message: Unknown) -> OwnRequest | None:
    """Our own request in a line that was sent; None if the line is none."""
    request = message.raw.get("request")
    if not isinstance(request, dict):
        return None
    kind, value = RequestKind.OTHER, ""
    match request:
        case {"subtype": "set_model"}:
            kind = RequestKind.MODEL
        case {"subtype": "cancel_async_message", "message_uuid": str(prompt_id)}:
            kind, value = RequestKind.CANCEL_PROMPT, prompt_id
        case {"subtype": "set_permission_mode"}:
            kind = RequestKind.PERMISSION_MODE
        case {"subtype": "apply_flag_settings", "settings": {"effortLevel": effort}}:
            kind, value = RequestKind.EFFORT, effort if isinstance(effort, str) else ""
        case _:
            pass
    request_id = str(message.raw.get("request_id"))
    return OwnRequest(request_id, kind, value, bool(request.get("cancel_queued")))


_ANSWERS = {"accept": "accepted", "decline": "declined", "cancel": "cancelled"}


def answer_in(response: ControlResponse) -> str:
    """A person's answer to a request of Claude's, as a participle."""
    action = response.response.get("action")
    if isinstance(action, str) and action in _ANSWERS:
        return _ANSWERS[action]
    match response.response:
        case {"behavior": "allow", "updatedInput": {"questions": _, "answers": _}}:
            return "answered"  # a question asks for no permission
        case {"behavior": "allow"}:
            return "allowed"
        case {"message": encoder.NO_ANSWER}:
            return "declined"
        case _:
            return "denied"


def agreed(request: OwnRequest, response: ControlResponse) -> Agreed:
    """What Claude has changed, where `response` is its answer to `request`."""
    if not response.ok:
        return Agreed()
    content = response.response
    match request.kind:
        case RequestKind.MODEL if isinstance(model := content.get("model"), str):
            return Agreed(model=model)
        case RequestKind.EFFORT:
            return Agreed(effort=request.value)
        case RequestKind.PERMISSION_MODE if isinstance(mode := content.get("mode"), str):
            return Agreed(permission_mode=mode)
        case RequestKind.CANCEL_PROMPT if content.get("cancelled") is True:
            return Agreed(cancelled_prompt=request.value)
        case _:
            return Agreed()
