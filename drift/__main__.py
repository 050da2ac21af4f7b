"""`python -m drift`: run the job on a Claude CLI and report names unknown to this code.

Exit status: 0 nothing new, 1 something new, 2 the job could not be run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from drift import (
    job,
    known,
    newest,
    report,
)
from drift.newest import NotRun
from tests.support.environment import ROOT, find_claude

CACHE = ROOT / ".cache" / "newest-claude"
DOCUMENT = ROOT / "docs" / "cli-versions.md"


def main() -> int:
    options = _options()
    try:
        binary, source = _binary(options)
        version = newest.version_of(binary)
        print(f"Running the job on Claude {version}; this takes some seconds.", flush=True)
        with tempfile.TemporaryDirectory(prefix="drift-") as folder:
            new = known.unknown(job.names_of(binary, Path(folder)))
    except NotRun as error:
        print(error, file=sys.stderr)
        return 2
    except AssertionError as error:
        print(f"Claude did not come to the end of the job: {error}", file=sys.stderr)
        return 2
    print(report.report(version, new), end="")
    if options.keep:
        today = datetime.now(UTC).date().isoformat()
        document = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(
            report.with_row(document, version, today, source, new), encoding="utf-8"
        )
    return 1 if new else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drift", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--installed", action="store_true", help="the CLI that the tests use")
    which.add_argument("--claude", type=Path, help="another CLI, by its path")
    parser.add_argument("--keep", action="store_true", help="note it in docs/cli-versions.md")
    return parser.parse_args()


def _binary(options: argparse.Namespace) -> tuple[Path, str]:
    """The CLI to try, and its source. Raises NotRun."""
    if options.claude:
        return Path(options.claude).resolve(), "given"
    if not options.installed:
        return newest.install(CACHE)
    found = find_claude()
    if found is None:
        raise NotRun("The tests' Claude CLI is missing; `make test` installs it.")
    return found, "the tests"


if __name__ == "__main__":
    sys.exit(main())
