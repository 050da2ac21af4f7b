"""Take secrets, and the name of the person, out of a text that leaves this machine."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from opcode_htmx.config.declarations import DeclaredSettings
from opcode_htmx.config.settings import Settings, environment
from opcode_htmx.engines.claude.config import redaction
from opcode_htmx.engines.claude.config.redaction import HIDDEN

SHORTEST = 5
"""Characters of a secret that is looked for; a shorter one stands in too many words."""
_IN_NAMES = ("_", "-", ".")


class Scrubber:
    """Hides what these settings, their files and this process's environment hold as secrets."""

    def __init__(self, settings: Settings) -> None:
        found = {form for secret in _secrets(settings) for form in _forms(secret)}
        # the longest first: one may be a part of another
        self._secrets = sorted(found, key=len, reverse=True)
        home = str(settings.home).rstrip("/")
        names = {form for name in (home, str(Path(home).resolve())) for form in _forms(name)}
        self._homes = sorted(names, key=len, reverse=True)

    def scrub(self, text: str) -> str:
        """The text without them; the home folder is `~`."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = redaction.in_text(text)
        for home in self._homes:
            text = "".join(_without_home(text.split(home), home))
        return text


def _without_home(parts: list[str], home: str) -> Iterator[str]:
    """The parts of a text with `~` between them, but where the name of the folder goes on."""
    yield parts[0]
    for part in parts[1:]:
        goes_on = part[:1].isalnum() or part.startswith(_IN_NAMES)
        yield home if goes_on else "~"
        yield part


def _secrets(settings: Settings) -> Iterator[str]:
    models: Iterable[DeclaredSettings] = (settings, *settings.features)
    for model in models:
        for variable in model.variables():
            value = getattr(model, variable.field)
            if is_secret(model, variable.field, variable.name) and isinstance(value, str):
                yield value
    for name in ("password", "secret_key"):
        with contextlib.suppress(OSError, ValueError):
            yield (settings.state_dir / name).read_text("utf-8").strip()
    for variables in (settings.child_environment, environment()):
        for name, text in variables.items():
            if redaction.is_secret(name, text):
                yield text


def is_secret(model: DeclaredSettings, field: str, name: str) -> bool:
    """Whether a setting is declared as a secret, or named like one."""
    return model.is_secret(field) or redaction.is_secret(name, "x")


def _forms(secret: str) -> Iterator[str]:
    """A secret as it stands in texts, in JSON and in addresses; each of its lines, too."""
    for text in {secret, *secret.splitlines()}:
        if len(text) >= SHORTEST:
            yield text
            yield json.dumps(text)[1:-1]
            yield json.dumps(text, ensure_ascii=False)[1:-1]
            with contextlib.suppress(UnicodeEncodeError):
                yield quote(text, safe="")
            yield repr(text)[1:-1]
