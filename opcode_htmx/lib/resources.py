"""Paths of the files that belong to the program and are not modules, such as templates.

In a checkout they lie next to the package, in the folder of the repository. A wheel carries them
inside the package, in `_assets` (see pyproject.toml).
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = PACKAGE / "_assets"

IMPORT_FOLDER = PACKAGE.parent
"""The folder that contains the package: a Python started there can import it."""

FOLDER = _INSTALLED if _INSTALLED.is_dir() else IMPORT_FOLDER
"""Gunicorn's working folder: holds app.py, its configuration, `templates` and `static`."""

IS_CHECKOUT = FOLDER == IMPORT_FOLDER
PROGRAM = ".venv/bin/python -m opcode_htmx" if IS_CHECKOUT else "opcode-htmx"
"""How a person calls the program: in the folder of a checkout, or anywhere."""
START = "make run" if IS_CHECKOUT else "opcode-htmx"
"""How a person starts the server."""
END_RUNS = "make end-runs" if IS_CHECKOUT else "opcode-htmx end-runs"
"""How a person ends the runs that a server has left."""

STATIC = FOLDER / "static"
TEMPLATES = FOLDER / "templates"
VENDOR = STATIC / "vendor"
GUNICORN_CONFIG = FOLDER / "gunicorn.conf.py"
CONFIGURATION_GUIDE = FOLDER / "docs" / "configuration.md"
