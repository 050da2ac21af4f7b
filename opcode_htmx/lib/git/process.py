"""Start git, with limits on its time, memory and output.

No other module starts it, except that of the demo's sample project, which is made by the app.

Everything that a repository names is untrusted: its configuration, attributes, hooks, remotes. The
policy of a command decides what git may run of it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import gevent
from gevent.lock import BoundedSemaphore

from opcode_htmx.lib.concurrency.child_process import ChildProcess
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.concurrency.programs import BoundedPipe
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.policy import READING, Policy

SECONDS = 20.0
MOST_BYTES = 64 * 1024 * 1024
"""The limit for output; the rest is not read."""
MOST_ERROR_BYTES = 4096
MOST_HEAP_BYTES = 2 * 1024**3
"""Limits the memory for a tree that contains itself many times over."""
END_SECONDS = 2.0
"""For git to end by itself when it is to be ended."""
AT_ONCE = 8
"""Commands that read, and as many that write, at a time in one worker; the others wait. Each may
take a CPU and much memory, and a page starts several."""
LOOK_SECONDS = 1.0
"""How often to look whether git waits for a pipe."""
PIPE_LOOKS = 4
"""Looks at which it does, one after the other, until it is ended: a writer may only be slow."""
_OPENING_PIPE = "wait_for_partner"
"""Where in Linux a process is that opens a named pipe without a writer."""
_MOST_CHILDREN = 20
SECRET_DESCRIPTOR = 9
"""A shell can name one digit only."""
_CHUNK = 64 * 1024

_slots = {is_reading: BoundedSemaphore(AT_ONCE) for is_reading in (True, False)}
_DROPPED = ("GIT_", "SSH_ASKPASS", "PAGER", "EDITOR", "VISUAL", "LC_", "LANG")


class GitFailed(Exception):
    """git could not be started, took too long, or reported an error; the text says which.

    `status` is git's exit status, if it has one; `output` what it had written to stdout, and
    `errors` to stderr, as git wrote it.
    """

    def __init__(
        self, text: str, *, status: int | None = None, output: bytes = b"", errors: str = ""
    ) -> None:
        super().__init__(text)
        self.status = status
        self.output = output
        self.errors = errors


class GitMissing(GitFailed):
    """There is no git in any folder of PATH."""


@dataclass(frozen=True, slots=True)
class Output:
    """git's stdout; `cut` if there was more."""

    content: bytes
    cut: bool


def run(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    policy: Policy = READING,
    overrides: Mapping[str, str] | None = None,
    repository: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    secret: bytes = b"",
    progress: Callable[[bytes], None] | None = None,
    seconds: float = SECONDS,
    most_bytes: int = MOST_BYTES,
) -> Output:
    """Run `git ARGUMENTS` in a folder, while other greenlets run. Raises GitFailed.

    `overrides` are further configuration values, which take precedence over the repository's;
    `repository` are environment variables, which take precedence over the policy's: GIT_DIR and the
    like. `secret` can be read, again and again, from the descriptor SECRET_DESCRIPTOR by git and by
    what it starts. `progress` is called with each piece of stderr as it comes, and raises nothing.
    git is killed after `seconds`, when it waits for the writer of a named pipe that lies in place
    of a file (where the kernel notifies; not with programs of the repository, which may do as they
    like), and when the calling greenlet is. No more than AT_ONCE run at a
    time, but for those that may run hooks, which may take long, or ask this app.
    """
    git = _program(environment)
    settings = {**policy.configuration, **(overrides or {})}
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]

    with _slot(policy):
        child = _started(
            git,
            ["-C", os.fspath(folder), "--no-pager", *options, *arguments],
            {**clean(environment), **policy.environment, **(repository or {})},
            with_stdin=bool(stdin),
            with_secret=bool(secret),
        )
        return _collect(
            child, stdin, secret, progress, seconds, most_bytes, no_pipes=policy.runs_nothing
        )


def _started(
    git: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    with_stdin: bool,
    with_secret: bool,
) -> ChildProcess:
    """Raises GitFailed."""
    descriptor = SECRET_DESCRIPTOR if with_secret else None
    try:
        child = ChildProcess(
            git, arguments, environment, with_stdin=with_stdin, fed_descriptor=descriptor
        )
    except (OSError, ValueError) as error:
        raise GitFailed(f"git could not be started: {error}") from error
    _bound_memory(child.pid)
    return child


def _slot(policy: Policy) -> AbstractContextManager[object]:
    """To be held while git runs."""
    return _slots[policy is READING] if policy.runs_nothing else contextlib.nullcontext()


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without variables that control git, and with only absolute folders in PATH."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_DROPPED)}
    folders = kept.get("PATH", os.defpath).split(os.pathsep)
    kept["PATH"] = os.pathsep.join(each for each in folders if Path(each).is_absolute())
    return kept


def _program(environment: Mapping[str, str]) -> str:
    # in a thread: a folder of PATH may be on a slow disk or a network
    path = clean(environment)["PATH"]
    found = run_in_thread(lambda: shutil.which("git", path=path))
    if found is None:
        raise GitMissing("git is not installed.")
    return found


def _bound_memory(pid: int) -> None:
    """Where the kernel can, and lets us: macOS does not enforce this limit."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):  # it has ended, or a sandbox allows no such call
        _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
        within = hard == resource.RLIM_INFINITY or hard > MOST_HEAP_BYTES
        limits = (MOST_HEAP_BYTES if within else hard, hard)
        resource.prlimit(pid, resource.RLIMIT_DATA, limits)


def _collect(
    child: ChildProcess,
    stdin: bytes,
    secret: bytes,
    progress: Callable[[bytes], None] | None,
    seconds: float,
    most_bytes: int,
    *,
    no_pipes: bool,
) -> Output:
    # the secret is no argument of a greenlet: gevent prints them with an error
    writers = [
        gevent.spawn(lambda: _write(child.stdin, stdin)),
        gevent.spawn(lambda: _feed(child.feed, secret)),
    ]
    reported = bytearray()
    errors = gevent.spawn(_drain, child.stderr, reported, MOST_ERROR_BYTES, progress)
    collected = BoundedPipe(child.stdout, most_bytes)
    reader = gevent.spawn(collected.read)
    try:
        with gevent.Timeout(seconds, GitFailed(f"git took longer than {seconds:g} s.")):
            looks = 0
            while not gevent.wait((reader, child.end), LOOK_SECONDS, count=1):
                looks = looks + 1 if no_pipes and _opens_pipe(child.pid) else 0
                if looks == PIPE_LOOKS:
                    raise GitFailed("git waits for a pipe in place of a file.")
            if not collected.is_cut:
                child.wait()
    finally:
        _end(child)
        # A daemon of a hook may hold its stdout and stderr for as long as it lives
        gevent.killall(writers)
        reader.kill()
        collected.read_rest()
        errors.join(END_SECONDS)
        errors.kill()
        for pipe in (child.stdin, child.feed, child.stdout, child.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
    output = Output(collected.content, collected.is_cut)
    if child.returncode != 0 and not output.cut:
        words = reported.decode("utf-8", "replace").strip()
        raise GitFailed(
            f"git ended with status {child.returncode}: {words}",
            status=child.returncode,
            output=output.content,
            errors=words,
        )
    return output


def _opens_pipe(pid: int) -> bool:
    """Whether a process or one that it has started waits for somebody to open a pipe's other end.

    False where the kernel does not say.
    """
    pids = [str(pid)]
    for each in pids:
        tasks = Path("/proc") / each / "task"
        with contextlib.suppress(OSError):
            if (tasks / each / "wchan").read_text() == _OPENING_PIPE:
                return True
            found = (tasks / each / "children").read_text().split()
            pids += found[: _MOST_CHILDREN - len(pids)] if len(pids) < _MOST_CHILDREN else []
    return False


def _end(child: ChildProcess) -> None:
    """End it and all that it has started; asked to, git removes its lock files."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(gevent.GreenletExit, gevent.Timeout):
            child.wait(timeout=END_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _write(pipe: IO[bytes] | None, content: bytes) -> None:
    """Write all of it; a git that ends before has read what it wanted."""
    if pipe is None:
        return
    with contextlib.suppress(BrokenPipeError):
        pipe.write(content)
        pipe.close()


def _feed(pipe: IO[bytes] | None, content: bytes) -> None:
    """Write it whenever there is room."""
    with contextlib.suppress(BrokenPipeError):
        while pipe:
            left = content
            while left:
                left = left[pipe.write(left) :]
            gevent.sleep(0)  # somebody may read as fast as this writes, and the pipe never be full


def _drain(
    pipe: IO[bytes], found: bytearray, most: int, progress: Callable[[bytes], None] | None
) -> None:
    """Read to the end, so that no full pipe blocks the writer; keep the last `most` bytes."""
    while chunk := pipe.read1(_CHUNK):  # type: ignore[attr-defined]
        found += chunk
        del found[:-most]
        if progress:
            progress(chunk)
