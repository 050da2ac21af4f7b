"""A repository of 100,000 files, as large as that of an operating system's kernel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FOLDERS, FILES = 1000, 100
"""In each of the folders, which are three deep, so many files."""
CHANGED = 30
MANY = 10_000
LONG = 100_000
"""Lines of the longest changed file."""


def make(folder: Path, home: Path) -> None:
    """Write the files and commit them."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, home, "init", "--quiet", "--initial-branch=main")
    for number in range(FOLDERS):
        inner = folder / f"area{number % 10}" / f"part{number // 10 % 10}" / f"unit{number}"
        inner.mkdir(parents=True)
        for file in range(FILES):
            (inner / f"source_{file:02}.c").write_text(
                f"/* {number} {file} */\nint grow(int height) {{\n    return height + {file};\n}}\n"
            )
    (folder / "long.txt").write_text("".join(f"line {number}\n" for number in range(LONG)))
    git(folder, home, "add", "--all")
    git(folder, home, "commit", "--quiet", "--message", "plant")
    git(folder, home, "status")  # which settles the times in the index


def change(folder: Path, count: int) -> None:
    """Change so many files, all that are changed already among them."""
    paths = sorted(folder.glob("area*/*/*/*.c"))
    for path in paths[:: len(paths) // count][:count]:
        path.write_text(path.read_text().replace("height + ", "2 * height + "))


def change_long(folder: Path) -> None:
    """Change every line of the long file."""
    (folder / "long.txt").write_text("".join(f"Line {number}\n" for number in range(LONG)))


def git(folder: Path, home: Path, *arguments: str) -> None:
    """Plain git, as a person runs it."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_AUTHOR_NAME": "A",
        "GIT_COMMITTER_NAME": "A",
        "EMAIL": "a@b.example",
    }
    command = ["git", *arguments]
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
