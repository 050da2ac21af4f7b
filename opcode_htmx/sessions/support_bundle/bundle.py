"""Put a support bundle together: a zip file of texts."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata

from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.version import __version__
from opcode_htmx.sessions.health import versions
from opcode_htmx.sessions.health.check import Result
from opcode_htmx.sessions.support_bundle import log_lines, parts
from opcode_htmx.sessions.support_bundle.scrubber import Scrubber

ABOUT = """\
A support bundle of opcode-htmx {version}, made at {at}.

checks.json    what `opcode-htmx doctor` has found{checked}
versions.json  versions of this program, of Python and its libraries, of the system
settings.json  the settings that are numbers, switches and choices; of others whether they are set
runs.json      the newest {runs} runs: times, states, exit statuses, sizes of their files
state.json     how much is in each part of the state folder
log.ndjson     the last {lines} lines of the log, as far as it is kept in files

It holds no password, token or key, no prompt, no answer, and nothing from Claude's histories. The
home folder is written as ~, and projects are numbers. Look through it before you pass it on: names
of files outside of your home folder, and of programs, may be in it.
"""
_MODE = 0o600


def name(at: float) -> str:
    """The name of a bundle's file."""
    return f"opcode-htmx-support-{datetime.fromtimestamp(at, UTC):%Y%m%d-%H%M%S}.zip"


def make(
    settings: Settings,
    declared: Iterable[str],
    results: Iterable[Result],
    checked_at: float | None,
) -> bytes:
    """The zip file. Starts nothing; blocks on files, so it is for a thread.

    `declared` are the names of the parts of the state folder; `results` were found at
    `checked_at`, a Unix time, or not at all.
    """
    scrubber = Scrubber(settings)
    log = log_lines.newest(settings.state_dir)
    found = [each.as_json() for each in results]
    texts = {
        "checks.json": _json({"at": _time(checked_at), "checks": found}),
        "versions.json": _json(_versions()),
        "settings.json": _json(parts.settings(settings)),
        "runs.json": _json(parts.runs(settings.state_dir)),
        "state.json": _json(parts.state(settings.state_dir, declared)),
        "log.ndjson": "".join(f"{line}\n" for line in log),
    }
    about = ABOUT.format(
        version=__version__,
        at=_time(time.time()),
        checked="" if checked_at else ": not yet checked",
        runs=parts.RUNS,
        lines=log_lines.LINES,
    )
    return _zip({"README.txt": about, **{n: scrubber.scrub(t) for n, t in texts.items()}})


def _versions() -> dict[str, object]:
    libraries = {
        str(each.metadata["Name"]): each.version
        for each in metadata.distributions()
        if each.metadata["Name"]
    }
    return {
        "opcode-htmx": __version__,
        **versions.of_this_process(),
        "libraries": dict(sorted(libraries.items(), key=lambda pair: pair[0].lower())),
    }


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _zip(texts: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            entry = zipfile.ZipInfo(f"opcode-htmx-support/{name}", time.gmtime()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _MODE << 16
            archive.writestr(entry, text.encode("utf-8", "replace"))
    return content.getvalue()
