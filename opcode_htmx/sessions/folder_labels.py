"""Words for folders: a name, and a place only where that says more than the name."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.sessions.workspace import Workspace


def name_of(path: Path) -> str:
    """A folder's own name; "Home folder" for the person's home."""
    return "Home folder" if path == _home() else path.name or "/"


def place_of(path: Path, workspace: Workspace) -> str:
    """The folder around another one, such as `~/work`.

    Empty where everything lies: in the only root. Empty for the home and the demo's sample as well.
    """
    roots = [root.resolve() for root in workspace.project_roots]
    sample = workspace.sample_project
    if path == _home() or (sample and path == sample.resolve()):
        return ""
    return "" if len(roots) == 1 and path.parent == roots[0] else shortened(path.parent)


def shortened(path: Path) -> str:
    """A path, with `~` for the person's home."""
    home = _home()
    if home == Path("/") or not path.is_relative_to(home):
        return str(path)
    return str(Path("~") / path.relative_to(home))


def _home() -> Path:
    return Path.home().resolve()
