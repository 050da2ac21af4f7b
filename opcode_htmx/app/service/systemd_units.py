"""The units of systemd: one for the listening socket, one for the server. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.app.service.installation import NAME, Installation, ServiceError
from opcode_htmx.web.origin.server_addresses import in_url

SOCKET = f"{NAME}.socket"
PREVIEWS = f"{NAME}-previews.socket"
SERVICE = f"{NAME}.service"

WATCHDOG_SECONDS = 120
"""Longer than gunicorn takes to replace a worker that hangs (60 s), which is tried first."""

_SOCKET = """\
# Written by `opcode-htmx service install`. Changes are lost with the next one; put yours into
# `systemctl --user edit {socket}`.
[Unit]
Description=Address of opcode-htmx

[Socket]
# Held by systemd: while the server is restarted or upgraded, browsers wait, and are not refused.
ListenStream={address}
# The address may be one that the network brings later.
FreeBind=yes

[Install]
WantedBy=sockets.target
"""

_PREVIEWS = """\
# Written by `opcode-htmx service install`. Changes are lost with the next one.
[Unit]
Description=Ports for previews of opcode-htmx

[Socket]
Service={service}
{addresses}
FreeBind=yes

[Install]
WantedBy=sockets.target
"""

_SERVICE = """\
# Written by `opcode-htmx service install`. Changes are lost with the next one; put yours into
# `systemctl --user edit {service}`.
[Unit]
Description=opcode-htmx: Claude Code in the browser of a phone
Requires={socket}
# Without them the server starts all the same, and has no previews.
Wants={previews}
After={socket} {previews}
# Whatever keeps it from starting (a disk that is not mounted yet) may pass: it is tried for ever.
StartLimitIntervalSec=0

[Service]
Type=notify
# The workers report that they are ready and alive, and not the process that systemd starts.
NotifyAccess=all
ExecStart={command}
WorkingDirectory={working_folder}
EnvironmentFile={environment_file}
TimeoutStartSec=120
WatchdogSec={watchdog}
Restart=always
RestartSec=1

# Runs of Claude are no part of the server: they go on while it is stopped, restarted or upgraded.
KillMode=process
TimeoutStopSec=60
# A test that takes all memory is ended alone, without the server and the other runs.
OOMPolicy=continue
TasksMax=infinity
{confinement}
[Install]
WantedBy=default.target
"""

_CONFINED = """
# What Claude starts may gain no rights that you do not have: sudo and other setuid programs fail.
# `opcode-htmx service install --unconfined` leaves this part out. Nothing here needs a mount or a
# user namespace: runs that are alive keep theirs, and the next server has to reach them.
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
"""


def socket_unit(installation: Installation, address: str) -> str:
    """The unit of the socket. `address` is numeric: systemd asks no resolver."""
    return _SOCKET.format(socket=SOCKET, address=f"{in_url(address)}:{installation.port}")


def previews_unit(address: str, ports: Sequence[int]) -> str:
    """The unit of the sockets of previews. One that is taken takes the others with it."""
    lines = (f"ListenStream={in_url(address)}:{port}" for port in ports)
    return _PREVIEWS.format(service=SERVICE, addresses="\n".join(lines))


def service_unit(installation: Installation) -> str:
    """The unit of the server. Raises ServiceError where a path is one that systemd cannot take."""
    _check(installation)
    return _SERVICE.format(
        socket=SOCKET,
        previews=PREVIEWS,
        service=SERVICE,
        command=" ".join(map(_quoted, installation.command)),
        working_folder=_path(str(installation.working_folder)),
        environment_file=_path(str(installation.environment_file)),
        watchdog=WATCHDOG_SECONDS,
        confinement=_CONFINED if installation.is_confined else "",
    )


def _check(installation: Installation) -> None:
    """systemd refuses quotes in the name of a program, and takes `$` there for itself; the name
    of a file of settings is a pattern."""
    for path, signs in (
        (installation.python, "\"'\\$"),
        (installation.environment_file, "*?[\\"),
        (installation.working_folder, "\\"),
    ):
        found = next((sign for sign in signs if sign in str(path)), "")
        if found:
            raise ServiceError(f"systemd cannot take {found} in a path, as in {str(path)!r}.")


def _path(text: str) -> str:
    """A path that takes the rest of its line; `%` would begin a specifier."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of a command line."""
    if word.isascii() and all(each.isalnum() or each in "/._-" for each in word):
        return word
    for each, escape in (("\\", "\\\\"), ('"', '\\"'), ("$", "$$"), ("%", "%%")):
        word = word.replace(each, escape)
    return f'"{word}"'
