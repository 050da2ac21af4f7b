"""The list of the commands."""

from __future__ import annotations

from opcode_htmx.app.commands.command import Command

COMMANDS = (
    Command(
        "pair",
        "Print a QR code that logs in a phone to the running server.",
        "opcode_htmx.app.commands.pair",
    ),
    Command(
        "doctor",
        "Check what the server needs of this machine, and say how to mend it.",
        "opcode_htmx.app.commands.doctor",
        "[--json]",
    ),
    Command(
        "end-runs",
        "End the runs of Claude that a server has left going.",
        "opcode_htmx.app.end_runs",
    ),
    Command(
        "support-bundle",
        "Write a zip file for somebody who helps: checks, versions, the log; no secret, no prompt.",
        "opcode_htmx.app.commands.support_bundle",
        "FILE",
    ),
    Command(
        "backup",
        "Save the state folder in a file, also while the server works in it.",
        "opcode_htmx.app.commands.backup",
        "FILE [--secrets] [--index] [--recipient age1…]… [--recipients-file FILE] "
        "[--passphrase | --passphrase-file FILE]",
    ),
    Command(
        "restore",
        "Put a backup in the place of the state folder, while no server works in it.",
        "opcode_htmx.app.commands.restore",
        "FILE [--replace] [--identity FILE] [--passphrase | --passphrase-file FILE]",
    ),
    Command(
        "service",
        "Run it as a service of this user, by systemd or launchd: it starts with the login.",
        "opcode_htmx.app.commands.service",
        "install [--unconfined] | status | logs [-f | LINES] | start | stop | restart | uninstall",
    ),
)
"""In the order of --help."""
