"""The environment that Claude is started with: the server's, without names that mislead it.

Pure: from one mapping to another.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from opcode_htmx.config.declarations import PREFIX

# Variables that an outer Claude Code, make, gunicorn or systemd sets for its children. Claude would
# take itself for a nested session, or run a person's own `make` as a sub-make; what it starts would
# report to systemd in the name of the server.
_SET_BY_PARENTS = frozenset(
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
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LISTEN_PID",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MAKEOVERRIDES",
        "MAKE_TERMERR",
        "MAKE_TERMOUT",
        "MEMORY_PRESSURE_WATCH",
        "MEMORY_PRESSURE_WRITE",
        "MFLAGS",
        "NOTIFY_SOCKET",
        "SERVER_SOFTWARE",
        "SYSTEMD_EXEC_PID",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    }
)
_OWN = frozenset({"HOST", "PORT", "CLAUDE_PATH"})
_PREFIXES = (PREFIX, "CLAUDE_CODE_CHILD_", "CLAUDE_CODE_SESSION_")


def child_environment(environ: Mapping[str, str], config_dir: Path) -> Mapping[str, str]:
    """`environ` without this app's own names and secrets and those that its parents have set.

    `config_dir` is the value of CLAUDE_CONFIG_DIR as the app reads it.
    """
    child = {
        name: value
        for name, value in environ.items()
        if name not in _OWN | _SET_BY_PARENTS and not name.startswith(_PREFIXES)
    }
    # Claude keeps its files elsewhere when the name is set at all, so it is set only if it was,
    # and then to the folder that the app reads as well.
    if child.pop("CLAUDE_CONFIG_DIR", "").strip():
        child["CLAUDE_CONFIG_DIR"] = str(config_dir)
    return MappingProxyType(child)
