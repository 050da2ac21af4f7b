"""Where the files beside the package's modules are: in a checkout, and in an installed wheel.

In a checkout they lie next to the package, in the folder of the repository. A wheel carries them
inside the package, in `_assets` (see pyproject.toml).
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "_assets"

IMPORT_FOLDER = _PACKAGE.parent
"""The folder of the package; a Python that starts in it can import the package."""

FOLDER = _INSTALLED if _INSTALLED.is_dir() else IMPORT_FOLDER
"""What gunicorn starts in: app.py, its configuration, `templates` and `static` are here."""

STATIC = FOLDER / "static"
TEMPLATES = FOLDER / "templates"
VENDOR = STATIC / "vendor"
GUNICORN_CONFIG = FOLDER / "gunicorn.conf.py"
CONFIGURATION_GUIDE = FOLDER / "docs" / "configuration.md"
