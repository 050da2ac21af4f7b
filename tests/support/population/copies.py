"""Worktrees, a race and clones beside the project."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

from opcode_htmx.features.races.records import Contestant, Race, Races, Stage
from opcode_htmx.lib.git.worktrees import PLACE
from opcode_htmx.sessions.repositories.job_files import JobFiles, Transfer
from opcode_htmx.sessions.repositories.job_files import Kind as Transfers
from opcode_htmx.sessions.repositories.job_files import State as States
from opcode_htmx.sessions.repositories.records import CloneRecord, CloneRecords
from opcode_htmx.sessions.worktrees.files import CopyFiles
from opcode_htmx.sessions.worktrees.kept_copies import KeptCopy
from opcode_htmx.sessions.worktrees.project_setup import ProjectSetup
from opcode_htmx.sessions.worktrees.records import CopyState, SessionWorktree, Setup
from tests.support.clients import api
from tests.support.environment import USER, Sandbox, state_dir
from tests.support.outside.git_server import GitServer, git
from tests.support.plain_git import GIT
from tests.support.population.names import (
    ACT,
    CLONE,
    KEPT_COPY,
    LONG_WORD,
    PROMPT,
    RACE,
    SESSION,
    garden_of,
)


def put_copies(sandbox: Sandbox, project: Path) -> None:
    """A worktree with long names whose session could not begin, one that was removed, a race."""
    state, top = state_dir(sandbox.state), garden_of(project).resolve()
    path, branch = top / PLACE / "copy", f"prune/{LONG_WORD[:120]}"
    top.mkdir(exist_ok=True)
    (top / "tree").write_text("x\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        (*who, "commit", "-qm", "x"),
        ("worktree", "add", "-q", "-b", branch, str(path)),
        (*who, "-C", str(path), "commit", "-q", "--allow-empty", "-m", f"Prune {LONG_WORD}"),
    ):
        subprocess.run([*GIT, *command], cwd=top, env=sandbox.environment(), check=True)
    (path / LONG_WORD[:100]).write_text("x\n")
    files = CopyFiles.of(state)
    record = SessionWorktree(
        SESSION, str(top), str(top), str(path), str(path), branch, "main", "0" * 40, api.NOON,
        CopyState.MADE, USER, PROMPT, f"Prune {LONG_WORD}", {}, 1, Setup.FAILED, LONG_WORD,
        (LONG_WORD,), RACE,
    )  # fmt: skip
    files.records.add(record)
    files.setups.set(ProjectSetup(str(top), (LONG_WORD[:200],), f"npm {LONG_WORD}"))
    files.outputs.mkdir(parents=True, exist_ok=True)
    (files.outputs / SESSION).write_text(f"{LONG_WORD}\n")
    files.kept.put(
        KeptCopy(KEPT_COPY, time.time(), str(top), str(path.with_name("x")), branch, "main",
                 SESSION, "0" * 40)
    )  # fmt: skip
    contestants = (
        Contestant("a", SESSION, PROMPT, LONG_WORD[:60], LONG_WORD, Stage.BEGUN),
        Contestant("b", ACT, PROMPT, "", "", Stage.FAILED, f"No {LONG_WORD}"),
    )
    race = Race(RACE, api.NOON, str(top), f"Prune {LONG_WORD}", "main", "0" * 40, contestants)
    Races(state.folder("races")).add(race)


def put_clones(sandbox: Sandbox) -> None:
    """A clone with a worktree in which something is only there, and one that has failed."""
    folder, state = sandbox.project / "opcode", state_dir(sandbox.state)
    remote = GitServer(folder / "repos").repository(CLONE)
    path = remote.rename(folder / "repos" / CLONE)
    worktree = folder / "worktrees" / f"{CLONE}__{SESSION}"
    git(path, "worktree", "add", "-q", "-b", LONG_WORD[:80], str(worktree), "main")
    (worktree / LONG_WORD[:200]).write_text("x")
    url = f"https://{LONG_WORD[:60]}.example/{'apples' * 40}"
    record = CloneRecord(CLONE, url, 1.0, 1.0, 1.0, branches=1234, branch=LONG_WORD[:80])
    CloneRecords(state.folder("repositories")).write(record)
    failed = Transfer("o__pears", url, Transfers.CLONE, States.FAILED, 1.0, error=LONG_WORD)
    (sandbox.home / "opcode").symlink_to(folder)  # where a server without a setting looks for it
    JobFiles(state.folder("clones")).write(replace(failed, said=f"{LONG_WORD}\n" * 20))
