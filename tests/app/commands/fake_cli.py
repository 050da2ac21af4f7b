"""A CLI that says what a test wants."""

import shlex
from pathlib import Path


def install_cli(path: Path, version: str) -> str:
    path.write_text(f"#!/bin/sh\necho {shlex.quote(version)}\n")
    path.chmod(0o755)
    return str(path)
