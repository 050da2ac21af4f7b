"""Settings, read once from the environment; the only reader of os.environ in the package.

Knows nothing of Flask, of Claude's command line, or of what the settings are used for.
"""

import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Generic, Self, TypeVar

from opcode_htmx.config import values

T = TypeVar("T")

# What an outer Claude Code, make or gunicorn leaves behind for its children. Claude would take
# itself for a nested session, or run a person's own `make` as a sub-make.
_MARKS_OF_PARENTS = frozenset(
    {
        "AI_AGENT",
        "CLAUDECODE",
        "CLAUDE_AGENT_SDK_VERSION",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_EXECPATH",
        "CLAUDE_CODE_LAUNCHED_BY_SESSION_IDS",
        "CLAUDE_CODE_SSE_PORT",
        "CLAUDE_EFFORT",
        "CLAUDE_PID",
        "CLAUDE_PROJECT_DIR",
        "GUNICORN_CMD_ARGS",
        "GUNICORN_FD",
        "GUNICORN_PID",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MAKEOVERRIDES",
        "MAKE_TERMERR",
        "MAKE_TERMOUT",
        "MFLAGS",
        "SERVER_SOFTWARE",
    }
)
_MARK_PREFIXES = ("CLAUDE_CODE_CHILD_", "CLAUDE_CODE_SESSION_")
_OURS = frozenset({"HOST", "PORT", "CLAUDE_PATH"})
_PREFIX = "OPCODE_"
# Every run carries them, so they are present when the app is started from within a run.
_RUN_MARKS = frozenset({"OPCODE_RUN_ID", "OPCODE_RUN_FOLDER"})


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence that names the variable."""


@dataclass(frozen=True, slots=True)
class Variable(Generic[T]):
    """One environment variable: its name, its default as a person would write it, its reader.

    `parse` gets the text and the home folder and raises ValueError with the end of a sentence
    that begins with the variable's name.
    """

    name: str
    default: str
    parse: Callable[[str, Path], T]

    def read(self, environ: Mapping[str, str], home: Path, default: str | None = None) -> T:
        """Read the variable; one that is empty counts as unset."""
        text = environ.get(self.name, "")
        if not text.strip():
            text = self.default if default is None else default
        try:
            return self.parse(text, home)
        except ValueError as error:
            raise SettingsError(f"{self.name} {error}.") from None


# Everybody on the network may ask, but a password always exists.
HOST = Variable("HOST", "0.0.0.0", values.host)  # noqa: S104
PORT = Variable("PORT", "8080", values.port)
USER = Variable("OPCODE_USER", "opcode", values.user)
PASSWORD = Variable("OPCODE_PASSWORD", "", lambda text, home: text or None)
LOGIN_DAYS = Variable("OPCODE_LOGIN_DAYS", "90", values.login_days)
LOGIN_IDLE_DAYS = Variable("OPCODE_LOGIN_IDLE_DAYS", "30", values.login_days)
CLAUDE_PATH = Variable("CLAUDE_PATH", "", values.optional_path)
CLAUDE_CONFIG_DIR = Variable("CLAUDE_CONFIG_DIR", "~/.claude", values.path)
XDG_STATE_HOME = Variable("XDG_STATE_HOME", "~/.local/state", values.path)
STATE_DIR = Variable("OPCODE_STATE_DIR", "$XDG_STATE_HOME/opcode-htmx", values.path)
PROJECT_ROOTS = Variable("OPCODE_PROJECT_ROOTS", "~", values.folders)
PERMISSION_MODE = Variable("OPCODE_PERMISSION_MODE", "", values.permission_mode)
ALLOW_BYPASS = Variable("OPCODE_ALLOW_BYPASS", "0", values.switch)
ALLOWED_ORIGINS = Variable("OPCODE_ALLOWED_ORIGINS", "", values.origins)
ALLOWED_HOSTS = Variable("OPCODE_ALLOWED_HOSTS", "", values.hosts)
DEMO = Variable("OPCODE_DEMO", "", values.demo)
STOP_DEADLINE = Variable("OPCODE_STOP_DEADLINE", "5", values.positive_seconds)
IDLE_TIMEOUT = Variable("OPCODE_IDLE_TIMEOUT", "30m", values.seconds)
RUN_TIMEOUT = Variable("OPCODE_RUN_TIMEOUT", "0", values.seconds)
MAX_OUTPUT = Variable("OPCODE_MAX_OUTPUT", "2G", values.size)
MAX_LINE = Variable("OPCODE_MAX_LINE", "24M", values.line_length)
MEMORY_WARNING = Variable("OPCODE_MEMORY_WARNING", "50%", values.memory)
MEMORY_LIMIT = Variable("OPCODE_MEMORY_LIMIT", "80%", values.memory)
MAX_QUEUED = Variable("OPCODE_MAX_QUEUED", "50", values.count)
MAX_VIEWERS = Variable("OPCODE_MAX_VIEWERS", "800", values.count)
MIN_FREE = Variable("OPCODE_MIN_FREE", "256M", values.size)
KEEP_RUNS = Variable("OPCODE_KEEP_RUNS", "30d", values.days)
ON_DISCONNECT = Variable("OPCODE_ON_DISCONNECT", "keep", values.keeps_running)
DISCONNECT_GRACE = Variable("OPCODE_DISCONNECT_GRACE", "60", values.grace)
ON_EXIT = Variable("OPCODE_ON_EXIT", "keep", values.keeps_running)
MAX_RUNS = Variable("OPCODE_MAX_RUNS", "10", values.count)
WORKERS = Variable("OPCODE_WORKERS", "1", values.workers)
VIEWER_TIMEOUT = Variable("OPCODE_VIEWER_TIMEOUT", "60", values.positive_seconds)
ASK_AHEAD = Variable("OPCODE_ASK_AHEAD", "1", values.switch)
TASK_FOLDER = Variable("OPCODE_TASK_FOLDER", "", values.optional_path)
TASK_TIMEOUT = Variable("OPCODE_TASK_TIMEOUT", "5m", values.positive_seconds)

# Each is one path, and may be a relative one.
_PATHS = (CLAUDE_PATH, CLAUDE_CONFIG_DIR, XDG_STATE_HOME, STATE_DIR, TASK_FOLDER)

# docs/configuration.md is held to this list, both ways, by a test.
VARIABLES: tuple[Variable[object], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Variable)
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person may choose. Paths are absolute, times in seconds, sizes in bytes.

    Of the limits 0 is none; of memory, what is up to 1 is a share of the machine's.

    `password` is None when it is to be made; `claude_path` when the CLI is to be searched for;
    `permission_mode` when Claude's own default holds; `demo` when the login decides.
    `task_folder` when it is the first of `project_roots`.
    `idle_timeout` 0 means never. `child_environment` is what Claude is started with.
    `unknown` are OPCODE_ names in the environment that mean nothing here, such as misspellings.
    """

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    login_lifetime: float
    login_idle: float
    claude_path: Path | None
    claude_config_dir: Path
    state_dir: Path
    project_roots: tuple[Path, ...]
    permission_mode: str | None
    allow_bypass: bool
    allowed_origins: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    demo: bool | None
    stop_deadline: float
    idle_timeout: float
    run_timeout: float
    max_output: int
    max_line: int
    memory_warning: float
    memory_limit: float
    max_queued: int
    max_viewers: int
    min_free: int
    keep_runs: float
    keep_running: bool
    disconnect_grace: float
    keep_at_exit: bool
    max_runs: int
    workers: int
    viewer_timeout: float
    ask_ahead: bool
    task_folder: Path | None
    task_timeout: float
    home: Path
    child_environment: Mapping[str, str] = field(repr=False, hash=False)
    unknown: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from `environ`, by default the process's own.

        Raises SettingsError for the first value that cannot be used.
        """
        environ = os.environ if environ is None else environ
        home = _home(environ)
        states = XDG_STATE_HOME.read(environ, home)
        config_dir = CLAUDE_CONFIG_DIR.read(environ, home)
        roots = PROJECT_ROOTS.read(environ, home)
        _check_bypass(environ, home)
        return cls(
            host=HOST.read(environ, home),
            port=PORT.read(environ, home),
            user=USER.read(environ, home),
            password=PASSWORD.read(environ, home),
            login_lifetime=LOGIN_DAYS.read(environ, home),
            login_idle=LOGIN_IDLE_DAYS.read(environ, home),
            claude_path=CLAUDE_PATH.read(environ, home),
            claude_config_dir=config_dir,
            state_dir=STATE_DIR.read(environ, home, str(states / "opcode-htmx")),
            project_roots=roots,
            permission_mode=PERMISSION_MODE.read(environ, home),
            allow_bypass=ALLOW_BYPASS.read(environ, home),
            allowed_origins=ALLOWED_ORIGINS.read(environ, home),
            allowed_hosts=ALLOWED_HOSTS.read(environ, home),
            demo=DEMO.read(environ, home),
            stop_deadline=STOP_DEADLINE.read(environ, home),
            idle_timeout=IDLE_TIMEOUT.read(environ, home),
            run_timeout=RUN_TIMEOUT.read(environ, home),
            max_output=MAX_OUTPUT.read(environ, home),
            max_line=MAX_LINE.read(environ, home),
            memory_warning=MEMORY_WARNING.read(environ, home),
            memory_limit=MEMORY_LIMIT.read(environ, home),
            max_queued=MAX_QUEUED.read(environ, home),
            max_viewers=MAX_VIEWERS.read(environ, home),
            min_free=MIN_FREE.read(environ, home),
            keep_runs=KEEP_RUNS.read(environ, home),
            keep_running=ON_DISCONNECT.read(environ, home),
            disconnect_grace=DISCONNECT_GRACE.read(environ, home),
            keep_at_exit=ON_EXIT.read(environ, home),
            max_runs=MAX_RUNS.read(environ, home),
            workers=WORKERS.read(environ, home),
            viewer_timeout=VIEWER_TIMEOUT.read(environ, home),
            ask_ahead=ASK_AHEAD.read(environ, home),
            task_folder=_task_folder(environ, home, roots),
            task_timeout=TASK_TIMEOUT.read(environ, home),
            home=home,
            child_environment=_child_environment(environ, config_dir),
            unknown=_unknown(environ),
        )


def _home(environ: Mapping[str, str]) -> Path:
    """HOME, or else the home folder that the system has for this user."""
    try:
        home = Path(environ.get("HOME", "") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise SettingsError("HOME is not set and this user has no home folder.") from None
    if not home.is_absolute():
        raise SettingsError("HOME must be an absolute path.")
    return home


def _task_folder(environ: Mapping[str, str], home: Path, roots: tuple[Path, ...]) -> Path | None:
    """The folder for tasks, if one is named. Raises SettingsError."""
    named = TASK_FOLDER.read(environ, home)
    if named is None:
        return None
    folder = named.resolve()
    if not folder.is_dir():
        raise SettingsError(f"OPCODE_TASK_FOLDER names {named}, which is not a folder.")
    if not any(folder.is_relative_to(root) for root in roots):
        raise SettingsError(f"OPCODE_TASK_FOLDER names {named}, outside OPCODE_PROJECT_ROOTS.")
    return folder


def _check_bypass(environ: Mapping[str, str], home: Path) -> None:
    """Raises SettingsError when Claude could not be started as these settings say."""
    allowed = ALLOW_BYPASS.read(environ, home)
    if PERMISSION_MODE.read(environ, home) == "bypassPermissions" and not allowed:
        raise SettingsError(
            "OPCODE_PERMISSION_MODE is bypassPermissions, in which Claude does everything without "
            "asking; that needs OPCODE_ALLOW_BYPASS=1."
        )
    if allowed and os.geteuid() == 0 and environ.get("IS_SANDBOX", "") != "1":
        raise SettingsError(
            "OPCODE_ALLOW_BYPASS is 1, but Claude refuses to bypass permissions for root; start "
            "the server as another user or, if this machine is a sandbox, with IS_SANDBOX=1."
        )


def _child_environment(environ: Mapping[str, str], config_dir: Path) -> Mapping[str, str]:
    """The environment without our own names and secrets and without the marks of our parents."""
    child = {
        name: value
        for name, value in environ.items()
        if name not in _OURS | _MARKS_OF_PARENTS and not name.startswith((_PREFIX, *_MARK_PREFIXES))
    }
    # Claude keeps its files elsewhere when the name is set at all, so it is set only when it was,
    # and then to the folder that we read as well.
    if child.pop(CLAUDE_CONFIG_DIR.name, "").strip():
        child[CLAUDE_CONFIG_DIR.name] = str(config_dir)
    return MappingProxyType(child)


def _unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    known = {variable.name for variable in VARIABLES} | _RUN_MARKS
    return tuple(sorted(n for n in environ if n.startswith(_PREFIX) and n not in known))


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes, for the server that takes its place."""
    return {**os.environ, **changes}


def work_in(folder: Path) -> None:
    """Make `folder` the current one; settings that are relative paths mean what they meant.

    Raises SettingsError for a path that cannot be used.
    """
    home = _home(os.environ)
    given = [each for each in _PATHS if os.environ.get(each.name, "").strip()]
    absolute = {each.name: str(each.read(os.environ, home)) for each in given}
    if os.environ.get(PROJECT_ROOTS.name, "").strip():
        roots = PROJECT_ROOTS.read(os.environ, home)
        absolute[PROJECT_ROOTS.name] = os.pathsep.join(map(str, roots))
    os.environ.update(absolute)
    os.chdir(folder)
