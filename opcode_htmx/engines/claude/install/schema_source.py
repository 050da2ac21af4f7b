"""Get the schema of the settings from the installed CLI, which describes it to its own model.

The prompt of its command `/update-config` contains the schema. The command is run once for each
version, with an empty configuration, and sent to an API of our own on loopback: it costs nothing,
and no account sees it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import gevent
from gevent import subprocess
from gevent.lock import BoundedSemaphore

from opcode_htmx.engines.claude.config.settings_schema import SettingsSchema
from opcode_htmx.engines.claude.install.cli_binary import Binary
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.late.patterns import late_pattern

log = logging.getLogger(__name__)

SECONDS = 30.0
"""It takes 1 s, and several more with a cold disk."""
POLL_SECONDS = 0.05
RETRY_SECONDS = 300.0
"""How long to wait after a CLI has not described its settings."""
_NOT_PLAIN = late_pattern(r"[^0-9A-Za-z.]")
_BEGIN = "Full Settings JSON Schema"
_OPEN, _CLOSE = "```json", "\n```"
_KEPT_VARIABLES = ("PATH", "LANG", "TMPDIR")


class SchemaSource:
    """The schema of one CLI, kept in a file of ours."""

    def __init__(self, folder: Path, binary: Binary, variables: Mapping[str, str]) -> None:
        """`variables` is the environment of Claude's processes; little of it is passed on."""
        self._file = folder / f"{_NOT_PLAIN.sub('-', binary.version_text)}.json"
        self._binary = binary
        self._variables = variables
        self._schema: SettingsSchema | None = None
        self._retry_at = 0.0
        self._asking = BoundedSemaphore(1)

    def schema(self) -> SettingsSchema | None:
        """The schema; None where this CLI does not describe its settings in the way known here."""
        if self._schema is None:
            with self._asking:  # a Claude is asked once, however many pages wait for it
                if self._schema is None and self._retry_at <= time.monotonic():
                    found = self._stored() or self._ask()
                    self._schema = SettingsSchema(found) if found else None
                    self._retry_at = time.monotonic() + RETRY_SECONDS
        return self._schema

    def _stored(self) -> Json | None:
        try:
            return _checked(bounded_json.loads(self._file.read_bytes()))
        except (OSError, ValueError):
            return None

    def _ask(self) -> Json | None:
        try:
            found = _from_cli(self._binary.path, self._variables)
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("could not ask Claude for the schema of its settings: %s", error)
            return None
        if found is None:
            log.warning("Claude %s does not describe its settings", self._binary.version_text)
            return None
        atomic_files.make_folder(self._file.parent)
        for old in self._file.parent.glob("*.json"):
            old.unlink(missing_ok=True)
        atomic_files.write(self._file, json.dumps(found).encode(), durable=False)
        return found


def _from_cli(binary: Path, variables: Mapping[str, str]) -> Json | None:
    # Imported late: few need it, and it imports an HTTP server
    from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text

    with (
        TemporaryDirectory(prefix="opcode-schema-") as folder,
        MessagesApi([Scene("schema", "", [Text("Thanks.")])]) as api,
    ):
        environment = {
            **{name: variables[name] for name in _KEPT_VARIABLES if name in variables},
            "HOME": folder,
            "CLAUDE_CONFIG_DIR": folder,
            "ANTHROPIC_BASE_URL": api.url,
            "ANTHROPIC_API_KEY": "none",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        command = [str(binary), "-p", "--no-session-persistence", "--setting-sources", ""]
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as child:
            try:
                if child.stdin:
                    child.stdin.write(b"/update-config")
                    child.stdin.close()
                until = time.monotonic() + SECONDS
                while not api.requests and child.poll() is None and time.monotonic() < until:
                    gevent.sleep(POLL_SECONDS)
            finally:
                child.kill()  # it has nothing more to say
        texts = (text for request in api.requests for text in _texts(request.get("messages")))
        return next(filter(None, map(_schema_in, texts)), None)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case {"content": content}:
            yield from _texts(content)
        case {"text": str(text)}:
            yield text
        case _:
            pass


def _schema_in(text: str) -> Json | None:
    _, found, rest = text.partition(_BEGIN)
    _, opened, rest = rest.partition(_OPEN)
    schema, closed, _ = rest.partition(_CLOSE)
    if not (found and opened and closed):
        return None
    try:
        return _checked(bounded_json.loads(schema))
    except ValueError:
        return None


def _checked(found: object) -> Json | None:
    if not isinstance(found, dict):
        return None
    properties = found.get("properties")
    is_it = isinstance(properties, dict) and {"permissions", "hooks"} <= properties.keys()
    return found if is_it else None
