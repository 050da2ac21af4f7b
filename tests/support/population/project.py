"""The files of the session's project: a repository, changes, checkpoints, deleted files."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import quote

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.changes.review.store import (
    NEW,
    OF_PROJECTS,
    OF_SESSIONS,
    Comment,
    Reviews,
)
from opcode_htmx.features.commits import acts as git_acts
from opcode_htmx.lib.git.discards import files as discards
from opcode_htmx.lib.git.snapshots import snapshot
from opcode_htmx.lib.git.snapshots.tree import WorkingTree, reference
from opcode_htmx.sessions.checkpoints.model import Checkpoint, CheckpointKind, Record, Restored
from opcode_htmx.sessions.checkpoints.store import CheckpointStore
from tests.lib.git.commands.repo import Repo
from tests.security.projects.hostile_git import Trap
from tests.support import pdf
from tests.support.clients import api
from tests.support.environment import SYSTEM_PATH, Sandbox, state_dir
from tests.support.population.names import (
    ACT,
    CHANGED,
    CHANGED_FILE,
    COMMENT,
    DELETED,
    LONG_WORD,
    MARKDOWN,
    PAPER,
    PROMPT,
    SESSION,
    UPLOAD,
)


def put_git_pages(sandbox: Sandbox, project: Path) -> str:
    """Make the project a repository with something on every page; gives the id of what is kept."""
    repo = Repo(project).make()
    lines = [f"{number} {LONG_WORD}\n" for number in range(30)]
    repo.write(CHANGED_FILE, "".join(lines))
    repo.write(".gitignore", f"{LONG_WORD}.log\n")
    repo.commit(f"Prune the trees {LONG_WORD}")
    repo.plain("branch", f"prune/{LONG_WORD[:60]}")
    repo.write(CHANGED_FILE, "stashed")
    repo.plain("stash", "push", "-q", "-m", f"Water {LONG_WORD}")
    repo.write(CHANGED_FILE, f"discarded {LONG_WORD}")
    kept_id = discards.discard_files(repo.git(), repo.state().unstaged, f"Prune {LONG_WORD}")
    repo.write("staged.txt", f"staged {LONG_WORD}\n")
    repo.plain("add", "staged.txt")
    lines[4:6] = [f"new {LONG_WORD}\n"]
    repo.write(CHANGED_FILE, "".join(lines))
    repo.plain("remote", "add", "origin", f"https://github.com/{LONG_WORD[:30]}/orchard.git")
    hook = repo.write(".git/hooks/pre-commit", "#!/bin/sh\n")
    hook.chmod(0o755)
    act = git_acts.Act(
        ACT, project_id(project), "Push", "/", "failed", f"No {LONG_WORD}", LONG_WORD
    )
    folder = state_dir(sandbox.state).folder("git_acts")
    folder.mkdir(parents=True)
    git_acts.SCHEMA.write(folder / f"{ACT}.json", asdict(act))
    return kept_id


PLANTED = [f"def prune(): # {number}" for number in range(60)]


def plant(sandbox: Sandbox, project: Path) -> None:
    """A file with a long name in the last commit of the project's repository."""
    repository, path = Trap(sandbox.home, project), CHANGED["path"]
    repository.write(path, "\n".join(PLANTED))
    repository.git("add", "--", path)
    repository.git("commit", "--quiet", "--message", "Plant", "--", path)


def put_changes(sandbox: Sandbox, project: Path) -> None:
    """A long line in that file that was changed after the session began, and a comment on it."""
    path, lines = CHANGED["path"], [*PLANTED]
    lines[30] = f"{LONG_WORD} = 1"
    Trap(sandbox.home, project).write(path, "\n".join(lines))
    state = state_dir(sandbox.state)
    reviews = Reviews(state.folder(OF_SESSIONS), state.folder(OF_PROJECTS))
    comment = Comment(COMMENT, quote(path), NEW, 31, 31, lines[30], f"Prune it {LONG_WORD}")
    for session_id in (SESSION, ""):
        reviews.keep(session_id, project, comment)


def put_checkpoints(sandbox: Sandbox, project: Path) -> None:
    """A checkpoint before the session's prompt, after which a file was changed; and two others."""
    state = state_dir(sandbox.state)
    store = CheckpointStore(state.folder("checkpoints"), state.folder("checkpoint_projects.json"))
    trees = state.folder("checkpoint_trees")
    trees.mkdir(parents=True, exist_ok=True)
    changed, long_name = project / "pruned.txt", project / f"{LONG_WORD[:60]}.txt"
    changed.write_text(f"{LONG_WORD}\n" * 3)
    tree = WorkingTree.of(project, trees, {"PATH": SYSTEM_PATH, "HOME": str(sandbox.home)})
    taken = snapshot.take(tree, {})
    for number in (1, 2, 3):
        tree.keep(reference(SESSION, number), taken.commit)
    changed.write_text(f"{LONG_WORD}\n")
    long_name.write_text("made later")
    first = Checkpoint(
        1, taken.commit, CheckpointKind.PROMPT, api.NOON, 0.1, str(tree.top), files=1, size=9,
        prompt_id=PROMPT, prompt=f"Prune the trees {LONG_WORD}", late=True, settled=True,
    )  # fmt: skip
    second = replace(
        first, number=2, kind=CheckpointKind.MANUAL, parent=1, changed=2, prompt_id="",
        late=False, description=LONG_WORD[:200], prompt="",
    )  # fmt: skip
    undo = replace(second, number=3, kind=CheckpointKind.UNDO, target=2, description="")
    restored = Restored(api.NOON, 3, 2, 1, {LONG_WORD: "ignored"}, 1)
    record = Record((first, second, undo), 1, 3, None, restored, f"No {LONG_WORD}")
    store.change(SESSION, lambda _: record)


def put_files(sandbox: Sandbox, project: Path) -> None:
    """Two files of the project, one that was deleted, and an upload that is undecided."""
    path = project / MARKDOWN
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"# {LONG_WORD}\n\n[{LONG_WORD}](x.md) `{LONG_WORD}`\n", encoding="utf-8")
    (project / PAPER).write_bytes(pdf.document())
    state, root = state_dir(sandbox.state), str(project.resolve())
    deleted, upload = state.folder("file_trash") / DELETED, state.folder("file_uploads") / UPLOAD
    for folder in (deleted, upload):
        folder.mkdir(parents=True)
    facts = {"root": root, "path": f"{LONG_WORD}.txt", "what": "a file", "at": time.time()}
    kept = {"version": 1, "id": DELETED, "was_replaced": False, **facts}
    (deleted / "facts.json").write_text(json.dumps(kept))
    (deleted / "content").write_text(LONG_WORD)
    undecided = {"id": UPLOAD, "root": root, "path": "", "files": [f"{LONG_WORD}.txt"]}
    (upload / "facts.json").write_text(json.dumps({"version": 1, **undecided}))
    (upload / "0").write_text(LONG_WORD)
