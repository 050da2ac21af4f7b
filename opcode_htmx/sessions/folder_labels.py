"""Words for folders: a name, and a place only where that says more than the name."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.sessions.repositories.places import own_name
from opcode_htmx.sessions.workspace import Workspace


def name_of(path: Path, workspace: Workspace) -> str:
    """A folder's own name; words for the person's home, for worktrees and the demo's sample."""
    if path == _home():
        return "Home folder"
    return "Sample project" if _is_sample(path, workspace) else own_name(path)


def place_of(path: Path, workspace: Workspace) -> str:
    """The folder around another one, such as `~/work`.

    Empty where everything lies: in the only root. Empty for the home and the demo's sample as well.
    """
    roots = [root.resolve() for root in workspace.project_roots]
    if path == _home() or _is_sample(path, workspace):
        return ""
    return "" if len(roots) == 1 and path.parent == roots[0] else shortened(path.parent)


def shortened(path: Path) -> str:
    """A path, with `~` for the person's home."""
    home = _home()
    if home == Path("/") or not path.is_relative_to(home):
        return str(path)
    return str(Path("~") / path.relative_to(home))


def _is_sample(path: Path, workspace: Workspace) -> bool:
    sample = workspace.sample_project
    return sample is not None and path == sample.resolve()


def _home() -> Path:
    return Path.home().resolve()
