"""The service manager that this machine has."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping

from opcode_htmx.app.service.installation import Installation, ServiceError
from opcode_htmx.app.service.launchd import Launchd
from opcode_htmx.app.service.manager import Commands, Manager
from opcode_htmx.app.service.systemd import Systemd

NONE = "A service needs systemd or launchd, and this machine has neither."
"""A sentence for the person, which scripts/service_manager.sh says as well."""


def of_this_machine(installation: Installation, environ: Mapping[str, str]) -> Manager:
    """The service manager. Raises ServiceError where there is none that is known."""
    commands = Commands(environ)
    if sys.platform == "darwin":
        return Launchd(installation, commands)
    if shutil.which("systemctl", path=environ.get("PATH")):
        return Systemd(installation, commands)
    raise ServiceError(NONE)
