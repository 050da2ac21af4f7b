"""`opcode-htmx doctor`: check what the server needs of this machine, and print each mend."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence

from gevent import monkey

from opcode_htmx.app import feature_settings
from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.config.settings import Settings, SettingsError
from opcode_htmx.lib import resources
from opcode_htmx.lib.version import __version__
from opcode_htmx.sessions.health import checks
from opcode_htmx.sessions.health.check import (
    SYMBOLS,
    WORDS,
    Checker,
    Finding,
    Result,
    State,
    has_problem,
)

_SHOWS_FACTS = frozenset({"versions"})
"""The checks whose facts are printed though nothing is wrong."""


def main(arguments: Sequence[str]) -> int:
    """Print the results; 1 if there is a problem, which keeps the server from its work."""
    if list(arguments) not in ([], ["--json"]):
        return USAGE_ERROR
    results = of_this_machine()
    if arguments:
        print(json.dumps(as_json(results), indent=1))
    else:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a terminal without the symbols
        print("\n".join(lines(results)))
    return int(has_problem(results))


def of_this_machine() -> tuple[Result, ...]:
    """The results with the settings of this process's environment."""
    # so that checks which ask programs go on beside each other
    monkey.patch_subprocess()
    try:
        settings = Settings.from_env(feature_settings=feature_settings.load())
    except SettingsError as error:
        finding = Finding(
            State.PROBLEM, str(error), "Correct the setting.", f"{resources.PROGRAM} --help"
        )
        return (Result("settings", "Settings", finding),)
    return Checker().run(checks.of(settings))


def as_json(results: Sequence[Result]) -> dict[str, object]:
    """The same for programs."""
    return {
        "version": __version__,
        "at": round(time.time(), 3),
        "problem": has_problem(results),
        "checks": [each.as_json() for each in results],
    }


def lines(results: Sequence[Result]) -> Iterator[str]:
    """What is printed for people: a line for each check, and its mend below."""
    longest = max(map(len, WORDS.values()))
    for each in results:
        found = each.finding
        word = f"{SYMBOLS[found.state]} {WORDS[found.state]:<{longest}}"
        yield f"{word}  {each.title}: {_printable(found.summary)}"
        indent = " " * (len(word) + 2)
        if found.state is not State.OK or each.name in _SHOWS_FACTS:
            yield from (f"{indent}{name}: {_printable(text)}" for name, text in found.facts.items())
        if found.mend:
            yield indent + found.mend
        if found.command:
            yield f"{indent}  {_printable(found.command)}"


def _printable(text: str) -> str:
    """Names of files and programs are anything, and no control sequence of theirs is printed."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
