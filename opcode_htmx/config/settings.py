"""Settings, read once from the environment; the only reader of os.environ in the package.

Knows nothing of Flask, of Claude's command line, or of how the settings are used.
"""

import os
import pwd
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self, TypeVar

from opcode_htmx.config import values
from opcode_htmx.config.child_environment import child_environment
from opcode_htmx.config.declarations import (
    PREFIX,
    DeclaredSettings,
    FeatureSettings,
    Parser,
    SettingsError,
    Variable,
    setting,
)

__all__ = ["Settings", "SettingsError", "declared_variables", "environment", "work_in"]

F = TypeVar("F", bound=FeatureSettings)

# Every run carries them, so they are present when the app is started from within a run.
_RUN_VARIABLES = frozenset({"OPCODE_RUN_ID", "OPCODE_RUN_FOLDER"})
NEWEST_CLAUDE = "OPCODE_NEWEST_CLAUDE"
"""The newest Claude CLI, which the launcher has found for the server; no setting."""
DEFAULT_USER = "opcode"
_STATE_DIR = "$XDG_STATE_HOME/opcode-htmx"


def _state_dir_of(text: str, others: Mapping[str, Any]) -> Path:
    if text == _STATE_DIR:
        return Path(others["xdg_state_home"], "opcode-htmx")
    return values.absolute(text, others["home"])


def _task_folder_of(text: str, others: Mapping[str, Any]) -> Path | None:
    named = values.optional_path(text, others)
    if named is None:
        return None
    folder = named.resolve()
    if not values.is_folder(folder):
        raise ValueError(f"names {named}, which is not a folder")
    if not any(folder.is_relative_to(root) for root in others["project_roots"]):
        raise ValueError(f"names {named}, outside OPCODE_PROJECT_ROOTS")
    return folder


class Settings(DeclaredSettings):
    """What a person may choose. Paths are absolute, times in seconds, sizes in bytes.

    Of the limits 0 is none; of memory, values up to 1 are a share of the machine's.

    `password` is None when it is to be made; `claude_path` when the CLI is to be searched for;
    `permission_mode` when Claude's own default holds; `demo` when the login decides.
    `task_folder` when it is the first of `project_roots`.
    `idle_timeout` 0 means never.
    """

    host: values.Host = setting(
        "0.0.0.0",  # noqa: S104  # the whole network may ask, but a password always exists
        "The address to listen on.",
        name="HOST",
    )
    port: values.Port = setting("8080", "The port to listen on, 1 to 65535.", name="PORT")
    user: values.User = setting(DEFAULT_USER, "The user name to log in with.", name="OPCODE_USER")
    password: values.Password = setting(
        "", "The password to log in with.", name="OPCODE_PASSWORD", secret=True
    )
    login_lifetime: values.LoginDays = setting(
        "90",
        "After how many days a login ends, however much it is used: 1 to 400.",
        name="OPCODE_LOGIN_DAYS",
    )
    login_idle: values.LoginDays = setting(
        "30",
        "After how many days without use a login ends: 1 to 400.",
        name="OPCODE_LOGIN_IDLE_DAYS",
    )
    claude_path: values.OptionalPath = setting(
        "", "The Claude CLI to use, 2.1.118 or newer.", name="CLAUDE_PATH"
    )
    claude_config_dir: values.AbsolutePath = setting(
        "~/.claude",
        "The folder in which Claude keeps its login, settings and sessions.",
        name="CLAUDE_CONFIG_DIR",
    )
    xdg_state_home: values.AbsolutePath = setting(
        "~/.local/state",
        "The folder below which programs keep their state; used only for the next setting.",
        name="XDG_STATE_HOME",
    )
    state_dir: Annotated[Path, Parser(_state_dir_of, needs_others=True)] = setting(
        _STATE_DIR,
        "The state folder: runs, the password, the key that signs cookies.",
        name="OPCODE_STATE_DIR",
    )
    project_roots: values.Folders = setting(
        "~",
        "The folders in which Claude may work, separated by `:`, with all folders below them.",
        name="OPCODE_PROJECT_ROOTS",
    )
    permission_mode: values.PermissionMode = setting(
        "",
        "The permission mode that Claude starts in, unless a person has chosen one for the session",
        name="OPCODE_PERMISSION_MODE",
    )
    allow_bypass: values.Switch = setting(
        "0",
        "`1`: a person may choose bypass mode, in which Claude does everything without asking.",
        name="OPCODE_ALLOW_BYPASS",
    )
    allowed_origins: values.Origins = setting(
        "",
        "Origins, besides the app's own, whose pages may act on this app",
        name="OPCODE_ALLOWED_ORIGINS",
    )
    allowed_hosts: values.Hosts = setting(
        "",
        "Host names, besides this machine's own, that requests may be addressed to",
        name="OPCODE_ALLOWED_HOSTS",
    )
    base_path: values.BasePath = setting(
        "",
        "The path below which the app is served, such as `/opcode`, where it shares a host name",
        name="OPCODE_BASE_PATH",
    )
    trusted_proxies: values.Networks = setting(
        "",
        "The addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are "
        "believed",
        name="OPCODE_TRUSTED_PROXIES",
    )
    demo: values.OptionalSwitch = setting(
        "", "`1`: answers come from a script, no account is needed.", name="OPCODE_DEMO"
    )
    stop_deadline: values.PositiveSeconds = setting(
        "5",
        "How long Stop may take until no process of the run is alive",
        name="OPCODE_STOP_DEADLINE",
    )
    idle_timeout: values.Seconds = setting(
        "30m",
        "How long a run may wait for the next prompt before it is ended",
        name="OPCODE_IDLE_TIMEOUT",
    )
    warm_start: values.Switch = setting(
        "1",
        "`1`: Claude is started for a session while a prompt is written, so that its answer begins "
        "sooner.",
        name="OPCODE_WARM_START",
    )
    warm_timeout: values.PositiveSeconds = setting(
        "3m",
        "How long a Claude that was started in this way waits for the prompt",
        name="OPCODE_WARM_TIMEOUT",
    )
    run_timeout: values.Seconds = setting(
        "0",
        "How long one turn of Claude may take before the run is ended as timed out.",
        name="OPCODE_RUN_TIMEOUT",
    )
    max_output: values.Size = setting("2G", "How much one run may write", name="OPCODE_MAX_OUTPUT")
    max_line: values.LineLength = setting(
        "24M",
        "The longest line of Claude's output that is kept in memory, shown and forwarded",
        name="OPCODE_MAX_LINE",
    )
    memory_warning: values.Memory = setting(
        "50%",
        "The memory use of a run, of Claude and every process that it has started, at which "
        "its page shows a warning",
        name="OPCODE_MEMORY_WARNING",
    )
    memory_limit: values.Memory = setting(
        "80%", "The memory use of a run at which it is stopped", name="OPCODE_MEMORY_LIMIT"
    )
    max_queued: values.Count = setting(
        "50",
        "How many prompts of a session may wait for Claude.",
        name="OPCODE_MAX_QUEUED",
    )
    max_viewers: values.Count = setting(
        "800",
        "How many pages and programs may be connected (by socket) at once",
        name="OPCODE_MAX_VIEWERS",
    )
    min_free: values.Size = setting(
        "256M",
        "How much free space the disk of the state folder must have for a run to begin.",
        name="OPCODE_MIN_FREE",
    )
    keep_runs: values.Days = setting(
        "30d", "How long the folder of an ended run is kept", name="OPCODE_KEEP_RUNS"
    )
    keep_running: values.Keep = setting(
        "keep",
        "Whether a run continues after its last viewer has left",
        name="OPCODE_ON_DISCONNECT",
    )
    disconnect_grace: values.Grace = setting(
        "60",
        "How long a run that is not kept may be without a viewer before it is ended",
        name="OPCODE_DISCONNECT_GRACE",
    )
    keep_at_exit: values.Keep = setting(
        "keep", "Whether runs continue after the server has been stopped", name="OPCODE_ON_EXIT"
    )
    max_runs: values.Count = setting(
        "10", "How many runs of Claude may be active at once", name="OPCODE_MAX_RUNS"
    )
    workers: values.Workers = setting(
        "1", "How many processes serve the pages, from 1 to 16.", name="OPCODE_WORKERS"
    )
    viewer_timeout: values.PositiveSeconds = setting(
        "60",
        "How long a page may receive nothing of what is sent to it before its connection is closed",
        name="OPCODE_VIEWER_TIMEOUT",
    )
    ask_ahead: values.Switch = setting(
        "1",
        "`1`: Claude is started for half a second, in the background, to ask it for its models and "
        "commands",
        name="OPCODE_ASK_AHEAD",
    )
    task_folder: Annotated[Path | None, Parser(_task_folder_of, needs_others=True)] = setting(
        "",
        "The folder in which the tasks of `/ws/claude` (`{prompt, meta}`) work",
        name="OPCODE_TASK_FOLDER",
    )
    task_timeout: values.PositiveSeconds = setting(
        "5m",
        "How long a task of `/ws/claude` may take before it is ended",
        name="OPCODE_TASK_TIMEOUT",
    )

    github_user: values.User = setting(
        "",
        "Your name on GitHub: without a token its public repositories are listed",
        name="GITHUB_USER",
    )
    shared_github_token: values.Token = setting(
        "",
        "A token of GitHub's, with which your repositories are listed and private ones are cloned, "
        "and pulled and pushed where the computer has no other login.",
        name="GITHUB_TOKEN",
        secret=True,
    )
    own_github_token: values.Token = setting(
        "",
        "The same, for this app alone; it takes precedence.",
        name="OPCODE_GITHUB_TOKEN",
        secret=True,
    )

    child_environment: Mapping[str, str] = MappingProxyType({})
    """The environment to start Claude with."""
    newest_claude: Path | None = None
    """The newest CLI, where the launcher has searched for it."""
    unknown: tuple[str, ...] = ()
    """OPCODE_ names in the environment that mean nothing here, such as misspellings."""
    features: tuple[FeatureSettings, ...] = ()
    """The settings that features declare; see `of`."""

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        feature_settings: Sequence[type[FeatureSettings]] = (),
    ) -> Self:
        """Read the settings, and those of features, from `environ`, by default the process's own.

        Raises SettingsError for the first value, in the order of the fields, that cannot be used.
        """
        environ = os.environ if environ is None else environ
        home = _home(environ)
        settings = cls.read(environ, home)
        _check_bypass(settings, environ)
        known = {variable.name for variable in declared_variables(feature_settings)}
        known |= {*_RUN_VARIABLES, NEWEST_CLAUDE}
        newest = environ.get(NEWEST_CLAUDE, "")
        return settings.with_values(
            child_environment=child_environment(environ, settings.claude_config_dir),
            newest_claude=Path(newest) if newest.startswith("/") else None,
            unknown=tuple(sorted(n for n in environ if n.startswith(PREFIX) and n not in known)),
            features=tuple(each.read(environ, home) for each in feature_settings),
        )

    @classmethod
    def _is_shown(cls, field: str) -> bool:
        return field != "child_environment" and super()._is_shown(field)

    def of(self, model: type[F]) -> F:
        """The settings of a feature. Raises LookupError when they were not asked for."""
        for settings in self.features:
            if isinstance(settings, model):
                return settings
        raise LookupError(f"{model.__name__} was not read: `from_env` was not given it.")

    @property
    def github_token(self) -> str:
        """The token for GitHub; empty if there is none."""
        return self.own_github_token or self.shared_github_token


def declared_variables(
    feature_settings: Sequence[type[FeatureSettings]],
) -> tuple[Variable, ...]:
    """Every variable of the core and of these features. Raises ValueError if two share a name.

    docs/configuration.md, `opcode-htmx --help` and the report of misspelt names go by it.
    """
    models: Iterable[type[DeclaredSettings]] = (Settings, *feature_settings)
    found = tuple(variable for model in models for variable in model.variables())
    name, times = Counter(variable.name for variable in found).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{name} is declared {times} times")
    return found


def _home(environ: Mapping[str, str]) -> Path:
    """HOME, or else the home folder that the system has for this user."""
    try:
        home = Path(environ.get("HOME", "") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise SettingsError("HOME is not set and this user has no home folder.") from None
    if not home.is_absolute():
        raise SettingsError("HOME must be an absolute path.")
    return home


def _check_bypass(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raises SettingsError when Claude would refuse to start with these settings."""
    if settings.permission_mode == "bypassPermissions" and not settings.allow_bypass:
        raise SettingsError(
            "OPCODE_PERMISSION_MODE is bypassPermissions, in which Claude does everything without "
            "asking; that needs OPCODE_ALLOW_BYPASS=1."
        )
    if settings.allow_bypass and os.geteuid() == 0 and environ.get("IS_SANDBOX", "") != "1":
        raise SettingsError(
            "OPCODE_ALLOW_BYPASS is 1, but Claude refuses to bypass permissions for root; start "
            "the server as another user or, if this machine is a sandbox, with IS_SANDBOX=1."
        )


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes, for the server that takes its place."""
    return {**os.environ, **changes}


def work_in(folder: Path, settings: Settings) -> None:
    """Make `folder` the current one, and relative paths in the environment absolute.

    `settings` were read in the folder that is current until then; read again, they are the same.
    """
    os.environ.update(absolute_paths(settings, os.environ))
    os.chdir(folder)


def absolute_paths(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environ` that name files or folders, with the paths that were read."""
    found = {}
    for model in (settings, *settings.features):
        for variable in model.variables():
            if environ.get(variable.name, "").strip():
                match getattr(model, variable.field):
                    case Path() as path:
                        found[variable.name] = str(path)
                    case (Path(), *_) as paths:
                        found[variable.name] = os.pathsep.join(map(str, paths))
    return found
