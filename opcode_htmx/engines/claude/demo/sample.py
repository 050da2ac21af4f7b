"""The sample project that the demo works in. Knows its files, not the scenes that use them."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.git.policy import WRITING
from opcode_htmx.lib.git.process import clean

log = logging.getLogger(__name__)

FLAW = "    return count_words(text) // WORDS_PER_MINUTE\n"
FIX = "    return max(1, round(count_words(text) / WORDS_PER_MINUTE))\n"

_README = """\
# Reading time

Says how long a text takes to read.

    python3 app.py README.md
    python3 -m unittest

One test fails: a short text is said to take no time at all. Ask Claude to fix it.

This is the sample project of the opcode-htmx demo. Change what you like: a file that you
delete comes back when the demo starts again, and a file that you changed stays as it is.
"""

_APP = f'''\
"""Say how long a text takes to read."""

import sys
from pathlib import Path

WORDS_PER_MINUTE = 220


def count_words(text: str) -> int:
    return len(text.split())


def reading_minutes(text: str) -> int:
{FLAW}

def main() -> None:
    for name in sys.argv[1:]:
        text = Path(name).read_text(encoding="utf-8")
        print(f"{{name}}: {{count_words(text)}} words, {{reading_minutes(text)}} min")


if __name__ == "__main__":
    main()
'''

_TEST = """\
import unittest

from app import count_words, reading_minutes


class ReadingTime(unittest.TestCase):
    def test_words_are_separated_by_any_space(self) -> None:
        self.assertEqual(count_words("one  two\\nthree"), 3)

    def test_a_long_text_takes_its_words_by_the_pace(self) -> None:
        self.assertEqual(reading_minutes("word " * 2200), 10)

    def test_a_short_text_takes_a_minute(self) -> None:
        self.assertEqual(reading_minutes("a short text"), 1)


if __name__ == "__main__":
    unittest.main()
"""

FILES = {"README.md": _README, ".gitignore": "__pycache__/\n", "app.py": _APP, "test_app.py": _TEST}

_AUTHOR = {"user.name": "opcode demo", "user.email": "demo@opcode.invalid"}
_GIT_SECONDS = 10.0


def ensure_sample_project(folder: Path, environment: Mapping[str, str]) -> None:
    """Write the files that are missing; leave those that are there. Raises OSError.

    environment: its PATH has git; without one the folder is no repository.
    """
    atomic_files.make_folder(folder)
    for name, text in FILES.items():
        path = folder / name
        if not path.exists():
            atomic_files.write(path, text.encode(), durable=False)
    variables = clean(environment)
    git = shutil.which("git", path=variables["PATH"])
    if git and not (folder / ".git").exists():
        try:
            _commit_first(git, folder, variables)
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("could not make the demo's sample project a git repository: %s", error)


def _commit_first(git: str, folder: Path, variables: Mapping[str, str]) -> None:
    """Make it a repository with one commit. Raises OSError, SubprocessError.

    Made beside the folder and moved into it, so that there is a commit wherever there is a `.git`.
    By subprocess, because lib.git needs the main thread and takes over all children of a process.
    """
    with tempfile.TemporaryDirectory(prefix="git-", dir=folder.parent) as made:
        git_dir = Path(made) / ".git"
        settings = {**WRITING.configuration, **_AUTHOR}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        at = ["--git-dir", str(git_dir), "--work-tree", str(folder)]
        for command in (
            ["init", "--quiet", "--template=", "--initial-branch=main", made],
            [*at, "add", "--", *FILES],
            [*at, "commit", "--quiet", "--message=Reading time"],
        ):
            subprocess.run(
                [git, *options, *command],
                cwd=folder,
                env={**variables, **WRITING.environment, "GIT_CONFIG_GLOBAL": os.devnull},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_GIT_SECONDS,
                check=True,
            )
        git_dir.rename(folder / ".git")
