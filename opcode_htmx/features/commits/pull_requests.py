"""Open a pull request with `gh` where it is installed, and look up the state of one.

`gh` gets the name of the repository and starts in an empty folder: it runs git, which would run
what the project's repository names.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Mapping
from math import inf
from pathlib import Path
from urllib.parse import quote, urlencode

from opcode_htmx.features.commits.acts import Act, Acts, Outcome, Progress
from opcode_htmx.features.commits.projects import Projects
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict, as_str
from opcode_htmx.lib.concurrency import programs
from opcode_htmx.lib.concurrency.keyed_lock import KeyedLock
from opcode_htmx.lib.concurrency.programs import TookTooLong
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.git.commands import branches, remotes, state
from opcode_htmx.lib.git.commands.branches import NoBranch
from opcode_htmx.lib.git.commands.remotes import NoRemote, Remote
from opcode_htmx.lib.git.commands.words import GitRefused, redacted
from opcode_htmx.lib.git.policy import READING
from opcode_htmx.lib.late.patterns import late_pattern

SECONDS = 60.0
MOST_BYTES = 1024 * 1024
MOST_BODY = 60_000
RECENT = 60.0
MOST_RECENT = 200
_ADDRESS = late_pattern(
    r"https://github\.com/([\w.-]{1,100}/[\w.-]{1,100})/pull/(\d{1,10})", re.ASCII
)
_ANY_ADDRESS = late_pattern(r"https://\S{1,500}", re.ASCII)
_FALLBACK = "`gh` refused. What it wrote is below."
# What `gh` writes, and the sentence; the first that is found counts.
_SENTENCES: tuple[tuple[str, str], ...] = (
    (
        "HTTP 401",
        "GitHub does not accept the login of `gh`: its token may have ended. Run `gh auth login` "
        "on the computer.",
    ),
    ("gh auth login", "`gh` is not logged in to GitHub. Run `gh auth login` on the computer."),
    ("already exists", "There is a pull request of this branch already."),
    ("No commits between", "The branch has no commits that the other one has not got."),
    (
        "Could not resolve to a",
        "GitHub has no such repository or pull request, or the login of `gh` may not see it.",
    ),
    ("HTTP 403", "GitHub does not let the login of `gh` do this."),
    ("Resource not accessible", "GitHub does not let the login of `gh` do this."),
    ("error connecting to", "GitHub cannot be reached. Is the computer online?"),
)
_STATES = {"OPEN": "open", "CLOSED": "closed", "MERGED": "merged"}


class InvalidPullRequest(Exception):
    """A pull request cannot be opened so; the text says why."""


@dataclass(frozen=True, slots=True)
class PullRequestPage:
    """What a pull request of the current branch could be; `address` opens one in the browser."""

    branch: str
    remote: Remote
    base: str
    bases: tuple[str, ...]
    """Branches of the remote that it could be merged into."""
    is_pushed: bool
    """Whether the remote has all commits of the branch, as far as is known."""
    title: str
    body: str
    has_gh: bool

    def address(self, base: str = "") -> str:
        between = f"{quote(base or self.base)}...{quote(self.branch)}"
        return f"https://github.com/{self.remote.github}/compare/{between}?{_EXPAND}"


_EXPAND = urlencode({"expand": 1})


@dataclass(frozen=True, slots=True)
class PullRequestState:
    """A pull request as GitHub knows it."""

    address: str
    title: str
    state: str
    """open, draft, closed or merged."""
    checks: str
    """What has become of its checks, in a few words; empty if there are none."""
    review: str

    @property
    def words(self) -> str:
        """`Open · 2 of 3 checks passed · approved`."""
        return " · ".join(filter(None, (self.state.capitalize(), self.checks, self.review)))


class PullRequests:
    """Pull requests of projects, at github.com."""

    def __init__(
        self, projects: Projects, acts: Acts, environment: Mapping[str, str], empty_folder: Path
    ) -> None:
        self._projects = projects
        self._acts = acts
        self._environment = environment
        self._empty_folder = empty_folder
        self._recent = dict[str, tuple[float, PullRequestState | None]]()
        self._lookups = KeyedLock()

    @property
    def has_gh(self) -> bool:
        return shutil.which("gh", path=self._environment.get("PATH", os.defpath)) is not None

    def page(self, project_id: str) -> PullRequestPage:
        """Raises NoRemote, NoBranch, and what `Projects.open` does."""
        git = self._projects.open(project_id, READING)
        found = state.read(git)
        if not found.branch:
            raise NoBranch("You are on no branch. Make one, or switch to one, first.")
        name, _, ref = remotes.upstream(git, found.branch)
        known = [each for each in remotes.listed(git) if each.github]
        remote = next((each for each in known if each.name == name), known[0] if known else None)
        if remote is None:
            raise NoRemote("None of the remotes is at github.com, so there is no pull request.")
        prefix = f"{remote.name}/"
        bases = tuple(
            each.name.removeprefix(prefix)
            for each in branches.listed(git)[0]
            if each.is_remote and each.name.startswith(prefix)
        )
        base = _default_base(bases, found.branch)
        seen = state.resolved(git, f"refs/remotes/{remote.name}/{base}") if base else ""
        new = remotes.commits(git, seen, "HEAD") if found.head else ()
        title = new[-1].subject if new else found.branch
        body = "\n".join(f"- {each.subject}" for each in reversed(new)) if len(new) > 1 else ""
        is_pushed = bool(ref) and state.resolved(git, ref) == found.head
        return PullRequestPage(
            found.branch, remote, base, bases, is_pushed, title, body, self.has_gh
        )

    def open(self, project_id: str, title: str, body: str, base: str, back: str) -> Act:
        """Open one with `gh`; the `result` of the act is its address.

        Raises InvalidPullRequest, NoRemote, NoBranch, and what `Projects.open` does.
        """
        page = self.page(project_id)
        if not page.has_gh:
            raise InvalidPullRequest("`gh` is not installed on the computer.")
        if not title.strip() or len(title) > 250 or not title.strip().isprintable():
            raise InvalidPullRequest("Type a title of at most 250 characters.")
        if len(body) > MOST_BODY:
            raise InvalidPullRequest("The text is too long.")
        if base not in page.bases:
            raise InvalidPullRequest("Choose the branch that it is to be merged into.")
        if not page.is_pushed:
            raise InvalidPullRequest("Push the branch first: GitHub has not got its commits.")

        def work(progress: Progress) -> Outcome:
            said = self._gh(
                *("pr", "create", "--repo", page.remote.github),
                *(f"--head={page.branch}", f"--base={base}", f"--title={title.strip()}"),
                "--body-file=-",
                stdin=body.encode("utf-8", "replace") or b"\n",
            )
            found = _ANY_ADDRESS.search(said)
            return Outcome("The pull request is open.", said, found[0] if found else "")

        return self._acts.begin(project_id, "Open a pull request", back, work)

    def state_of(self, address: str) -> PullRequestState | None:
        """What `gh` says of a pull request; None if it is none of github.com, or without `gh`.

        Raises GitRefused.
        """
        found = _ADDRESS.fullmatch(address)
        if found is None or not self.has_gh:
            return None
        fields = "title,state,isDraft,reviewDecision,statusCheckRollup,url"
        said = self._gh("pr", "view", found[2], "--repo", found[1], "--json", fields)
        try:
            content = as_dict(bounded_json.loads(said))
        except ValueError:
            raise GitRefused("What `gh` says of it cannot be read.", said[:2000]) from None
        is_draft = content.get("isDraft") is True and content.get("state") == "OPEN"
        return PullRequestState(
            address,
            as_str(content.get("title")),
            "draft" if is_draft else _STATES.get(as_str(content.get("state")), "unknown"),
            _checks(content.get("statusCheckRollup")),
            as_str(content.get("reviewDecision")).replace("_", " ").lower(),
        )

    def recent_state_of(self, address: str) -> PullRequestState | None:
        """The same, as it was up to RECENT seconds ago: a card asks at each view of its session.

        None, too, where `gh` refuses; it is then not asked again meanwhile.
        """
        with self._lookups.of(address):
            at, found = self._recent.get(address, (-inf, None))
            if time.monotonic() - at > RECENT:
                found = None
                with contextlib.suppress(GitRefused):
                    found = self.state_of(address)
                self._recent.pop(address, None)
                self._recent[address] = time.monotonic(), found
                if len(self._recent) > MOST_RECENT:
                    self._recent.pop(next(iter(self._recent)))
            return found

    def _gh(self, *arguments: str, stdin: bytes = b"") -> str:
        atomic_files.make_folder(self._empty_folder)
        path = self._environment.get("PATH", os.defpath)
        program = shutil.which("gh", path=path)
        if program is None:
            raise GitRefused("`gh` is not installed on the computer.")
        quiet = {"GH_PROMPT_DISABLED": "1", "NO_COLOR": "1", "GIT_TERMINAL_PROMPT": "0"}
        try:
            ended = programs.run(
                [program, *arguments],
                {**self._environment, **quiet},
                folder=self._empty_folder,
                stdin=stdin,
                seconds=SECONDS,
                most_bytes=MOST_BYTES,
            )
        except TookTooLong:
            raise GitRefused(f"`gh` took longer than {SECONDS:g} s.") from None
        except OSError as error:
            raise GitRefused(f"`gh` could not be started: {error.strerror or error}.") from error
        if ended.status != 0:
            said = redacted(ended.errors[-4000:].decode("utf-8", "replace").strip())
            raise GitRefused(_sentence(said), said)
        return ended.output.decode("utf-8", "replace")


def _sentence(said: str) -> str:
    """Why `gh` refused."""
    return next((sentence for words, sentence in _SENTENCES if words in said), _FALLBACK)


def is_address(address: str) -> bool:
    """Whether a text is the address of a pull request at github.com."""
    return _ADDRESS.fullmatch(address) is not None


def _default_base(bases: tuple[str, ...], branch: str) -> str:
    for name in ("main", "master", "develop", *bases):
        if name in bases and name != branch:
            return name
    return ""


def _checks(found: object) -> str:
    """`3 of 4 checks passed`."""
    checks = [as_dict(each) for each in found] if isinstance(found, list) else []
    good = {"SUCCESS", "NEUTRAL", "SKIPPED"}
    passed = sum(
        as_str(each.get("conclusion")) in good or as_str(each.get("state")) in good
        for each in checks
    )
    return f"{passed} of {len(checks)} checks passed" if checks else ""
