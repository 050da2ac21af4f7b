"""Checks of the disks: free space and inodes, and the state folder with its rights and its disk."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import psutil

from opcode_htmx.config.settings import Settings
from opcode_htmx.lib import resources
from opcode_htmx.lib.files.disk_space import existing, free_bytes
from opcode_htmx.lib.formatting import format_bytes
from opcode_htmx.sessions.health.check import Finding, State

FEW_INODES = 10_000
PLENTY = 4
"""Below so many times what a run needs to begin, a warning."""
_LEAST_FREE = 256 * 1024 * 1024
_OF_NETWORK = frozenset(
    {"nfs", "nfs3", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "davfs", "ceph", "afs"}
    | {"glusterfs", "lustre", "9p", "drvfs", "gpfs", "ocfs2", "beegfs", "vboxsf", "prl_fs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.ceph", "fuse.davfs2"}
)
"""File systems of other machines: locks and notices of changes may not come through."""
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_PRIVATE = ("password", "secret_key")


def disk(settings: Settings) -> Finding:
    """Free space and inodes, where the state is and where Claude keeps its sessions."""
    least = settings.min_free or _LEAST_FREE
    facts, findings = dict[str, str](), list[Finding]()
    for label, folder in (
        ("State folder", settings.state_dir),
        ("Claude's folder", settings.claude_config_dir),
    ):
        free, inodes = free_bytes(folder), _free_inodes(folder)
        facts[label] = f"{format_bytes(free)} free" + (
            "" if inodes is None else f", {inodes:,} more files"
        )
        findings.append(_of_disk(label, folder, free, inodes, least))
    worst = next(
        (
            each
            for state in (State.PROBLEM, State.WARNING)
            for each in findings
            if each.state is state
        ),
        findings[0],
    )
    return Finding(worst.state, worst.summary, worst.mend, worst.command, facts)


def _of_disk(label: str, folder: Path, free: int, inodes: int | None, least: int) -> Finding:
    command = f"du -xhd2 {shlex.quote(str(existing(folder)))} | sort -h | tail"
    if free < least:
        return Finding(
            State.PROBLEM,
            f"{label}: {format_bytes(free)} are free, and a run needs {format_bytes(least)}.",
            "Make room: More → Storage and Resources show what takes it, and so does this command.",
            command,
        )
    if free < PLENTY * least:
        return Finding(
            State.WARNING,
            f"{label}: only {format_bytes(free)} are free.",
            "Make room before it runs out: More → Storage and Resources show what takes it.",
            command,
        )
    if inodes is not None and inodes < FEW_INODES:
        return Finding(
            State.WARNING,
            f"{label}: its disk can take only {inodes:,} more files, whatever their size.",
            "Remove folders with many small files, such as caches.",
            f"du -x --inodes -d2 {shlex.quote(str(existing(folder)))} | sort -n | tail",
        )
    return Finding(State.OK, "There is enough room.")


def _free_inodes(folder: Path) -> int | None:
    """None for a file system that does not count them."""
    found = os.statvfs(existing(folder))
    return found.f_favail if found.f_files else None


def state_folder(settings: Settings) -> Finding:
    """Whose the state folder is, who may write to it, and what it lies on."""
    folder = settings.state_dir
    kind = file_system(folder)
    facts = {"Folder": str(folder), "File system": kind or "not known"}
    quoted = shlex.quote(str(folder))
    try:
        status = folder.stat()
    except FileNotFoundError:
        return _missing(folder, facts)
    facts["Rights"] = f"{stat.S_IMODE(status.st_mode):04o}"
    if not stat.S_ISDIR(status.st_mode):
        return Finding(
            State.PROBLEM,
            "There is a file where the state folder should be.",
            "Name another folder in OPCODE_STATE_DIR, or move the file away.",
            f"mv {quoted} {quoted}.old",
            facts,
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            State.PROBLEM,
            "The state folder cannot be written to.",
            "Make it yours, or name another one in OPCODE_STATE_DIR.",
            f'sudo chown -R "$(id -un)" {quoted}',
            facts,
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return Finding(
            State.PROBLEM,
            "Other users can write to the state folder, so the server does not start with it.",
            "Take these rights away.",
            f"chmod 700 {quoted}",
            facts,
        )
    return _of_rights(folder, status, kind, facts)


def _missing(folder: Path, facts: dict[str, str]) -> Finding:
    if os.access(existing(folder), os.W_OK | os.X_OK):
        return Finding(State.OK, "It is made at the first start.", facts=facts)
    return Finding(
        State.PROBLEM,
        "The state folder is not there, and cannot be made.",
        "Make it, or name another one in OPCODE_STATE_DIR.",
        f'sudo install -d -m 700 -o "$(id -un)" {shlex.quote(str(folder))}',
        facts,
    )


def _of_rights(folder: Path, status: os.stat_result, kind: str, facts: dict[str, str]) -> Finding:
    quoted = shlex.quote(str(folder))
    if status.st_uid != os.geteuid():
        return Finding(
            State.WARNING,
            "The state folder is that of another user.",
            "Start the server as its owner, or make it yours.",
            f'sudo chown -R "$(id -un)" {quoted}',
            facts,
        )
    open_files = [name for name in _PRIVATE if _is_open(folder / name)]
    if open_files:
        return Finding(
            State.WARNING,
            f"Other users may read {' and '.join(open_files)} in the state folder.",
            "Take these rights away; the next start does so as well.",
            " ".join(["chmod 600", *(shlex.quote(str(folder / name)) for name in open_files)]),
            facts,
        )
    if kind in _OF_NETWORK:
        return Finding(
            State.WARNING,
            f"The state folder lies on a network file system ({kind}): locks and notices of "
            "changes may fail there, and a run may be cut when the network is.",
            "Put it on a disk of this machine, with the server stopped, and name that folder in "
            "OPCODE_STATE_DIR.",
            f"cp -a {quoted} ~/opcode-htmx-state",
            facts,
        )
    if kind in _IN_MEMORY:
        return Finding(
            State.WARNING,
            f"The state folder is kept in memory ({kind}): it is gone when the machine restarts.",
            "Name a folder on a disk in OPCODE_STATE_DIR.",
            f"OPCODE_STATE_DIR=~/.local/state/opcode-htmx {resources.START}",
            facts,
        )
    return Finding(
        State.OK, "Only you can write to it, and it lies on a disk of this machine.", facts=facts
    )


def _is_open(path: Path) -> bool:
    try:
        return bool(path.lstat().st_mode & 0o077)
    except OSError:
        return False


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is, or will be, on; empty if it is not known."""
    real = os.path.realpath(existing(folder))
    best, kind = "", ""
    for each in psutil.disk_partitions(all=True):
        mount = each.mountpoint.rstrip("/")
        # of several on one place the last one is seen
        if (real == mount or real.startswith(f"{mount}/")) and len(mount) >= len(best):
            best, kind = mount, each.fstype
    return kind
