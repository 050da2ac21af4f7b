"""What can be brought back: discarded files, dropped stashes and deleted branches, for 7 days.

Each is a commit under a ref of our own, so that git keeps its objects; the facts are JSON in its
message. Bringing it back, or 7 days, removes the ref.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.late.patterns import late_pattern

REFS = "refs/opcode/discarded"
KEPT_SECONDS = 7 * 86400.0
SETTINGS = {"core.fsync": "committed,reference"}
"""It is on the disk before anything is discarded."""

Kind = Literal["files", "stash", "branch"]
_ID = late_pattern(r"[0-9]{10}-[0-9a-f]{12}", re.ASCII)
_OBJECT = late_pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "opcode"), ("EMAIL", "opcode@localhost"))
}


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file as it was; without a `blob` there was none.

    `after` is what discarding has left, its mode and object name; None if that is not known.
    """

    path: bytes
    mode: int
    is_link: bool
    blob: str
    after: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that can be brought back; `at` is a Unix time."""

    id: str
    commit: str
    kind: Kind
    title: str
    at: float
    files: tuple[KeptFile, ...] = ()
    target: str = ""
    """The commit of a stash or a branch."""

    @property
    def ref(self) -> str:
        return f"{REFS}/{self.id}"


def add(
    git: Git,
    kind: Kind,
    title: str,
    tree: str,
    *,
    files: Sequence[KeptFile] = (),
    target: str = "",
) -> Kept:
    """Keep something. Raises GitFailed."""
    now = time.time()
    kept_id = f"{int(now):010d}-{secrets.token_hex(6)}"
    made = Kept(kept_id, "", kind, title[:300], now, tuple(files), target)
    commit = _commit(git, made, tree)
    git.run("update-ref", made.ref, commit, "0" * len(commit), settings=SETTINGS)
    return Kept(kept_id, commit, kind, made.title, now, made.files, target)


def rewrite(git: Git, changed: Kept) -> None:
    """Replace the facts of what is kept. Raises GitFailed."""
    tree = git.run("rev-parse", f"{changed.commit}^{{tree}}").content.decode("ascii").strip()
    git.run("update-ref", changed.ref, _commit(git, changed, tree), changed.commit)


def forget(git: Git, gone: Kept) -> None:
    """Keep it no longer. Raises GitFailed."""
    git.run("update-ref", "-d", gone.ref)


def listed(git: Git) -> list[Kept]:
    """All that can be brought back, the newest first. Raises GitFailed."""
    oldest = time.time() - KEPT_SECONDS
    return [each for each in _all(git) if each.at >= oldest]


def find(git: Git, kept_id: str) -> Kept | None:
    """What is kept under an id; None if it is not any more. Raises GitFailed."""
    if not _ID.fullmatch(kept_id):
        return None
    return next((each for each in listed(git) if each.id == kept_id), None)


def expire(git: Git, now: float | None = None) -> int:
    """Forget what is older than 7 days; gives how much is still kept. Raises GitFailed."""
    found = _all(git)
    oldest = (time.time() if now is None else now) - KEPT_SECONDS
    for each in found:
        if each.at < oldest:
            forget(git, each)
    return sum(each.at >= oldest for each in found)


def _all(git: Git) -> list[Kept]:
    layout = "%(objectname) %(refname)%00%(contents:subject)%00"
    output = git.run("for-each-ref", "--sort=-refname", f"--format={layout}", f"{REFS}/")
    fields = output.content.split(b"\0")[:-1]
    found = (_parsed(head, facts) for head, facts in zip(fields[::2], fields[1::2], strict=False))
    return [each for each in found if each]


def _commit(git: Git, what: Kept, tree: str) -> str:
    facts: dict[str, Any] = {"version": 1, "kind": what.kind, "title": what.title, "at": what.at}
    if what.target:
        facts["target"] = what.target
    facts["files"] = [
        {
            "path": each.path.decode("utf-8", "surrogateescape"),
            "mode": each.mode,
            "link": each.is_link,
            "blob": each.blob,
            "after": each.after,
        }
        for each in what.files
    ]
    parent = ("-p", what.target) if what.target else ()
    output = git.run(
        *("commit-tree", tree, *parent, "-F", "-"),
        stdin=json.dumps(facts).encode(),
        settings={**SETTINGS, "i18n.commitEncoding": "UTF-8"},
        variables=_WHO,
    )
    return output.content.decode("ascii").strip()


def _parsed(head: bytes, facts: bytes) -> Kept | None:
    """None for a ref that is not ours, such as one that somebody made by hand."""
    commit, _, ref = head.decode("utf-8", "replace").strip().partition(" ")
    kept_id = ref.removeprefix(f"{REFS}/")
    if not _ID.fullmatch(kept_id):
        return None
    try:
        content = bounded_json.loads(facts)
        kind, target = content["kind"], str(content.get("target", ""))
        if kind not in ("files", "stash", "branch"):
            return None
        if target and not _OBJECT.fullmatch(target):
            return None
        files = tuple(_file(each) for each in content["files"])
        return Kept(
            kept_id, commit, kind, str(content["title"]), float(content["at"]), files, target
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _file(content: Mapping[str, Any]) -> KeptFile:
    blob, after = str(content["blob"]), content["after"]
    if blob and not _OBJECT.fullmatch(blob):
        raise ValueError(blob)
    return KeptFile(
        str(content["path"]).encode("utf-8", "surrogateescape"),
        int(content["mode"]),
        bool(content["link"]),
        blob,
        None if after is None else (int(after[0]), str(after[1])),
    )
