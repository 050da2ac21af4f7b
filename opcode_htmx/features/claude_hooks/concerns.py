"""What a person should read before a hook is saved or tried."""

from __future__ import annotations

from collections.abc import Iterator

from opcode_htmx.features.claude_hooks.dangers import dangers_of
from opcode_htmx.features.claude_hooks.kinds import main_text
from opcode_htmx.features.claude_hooks.service import HookEditor
from opcode_htmx.features.claude_hooks.syntax import syntax_error
from opcode_htmx.features.claude_hooks.trial.http import is_address, is_allowed
from opcode_htmx.lib.coerce import Json


def concerns_of(editor: HookEditor, event: str, matcher: str, config: Json) -> list[str]:
    """What a person should read before this hook runs by itself."""
    found = list(_concerns_of_config(editor, event, config))
    known = editor.events.get(event)
    if matcher and known and not known.has_matcher:
        found.append(f"{event} has no matcher: the hook runs whatever the matcher says.")
    return found


def _concerns_of_config(editor: HookEditor, event: str, config: Json) -> Iterator[str]:
    match config:
        case {"type": "command"}:
            is_bash = "args" not in config and config.get("shell") != "powershell"
            if is_bash and (error := syntax_error(str(config.get("command", "")))):
                yield f"bash cannot read it: {error}"
            yield from dangers_of(main_text(config), event)
        case {"type": "http", "url": str(url)}:
            if not is_address(url):
                yield "Claude can send it only to an address with http:// or https://."
            elif not is_allowed(url, editor.allowed_urls()):
                yield "Claude does not send it: allowedHttpHookUrls does not have its address."
        case _:
            pass
