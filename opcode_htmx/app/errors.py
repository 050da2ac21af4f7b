"""The table of exceptions and status codes: the platform's, then those of the features."""

from __future__ import annotations

from collections.abc import Iterable

from opcode_htmx.features.feature import Feature
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.control.launcher import CannotStart, FolderNotAllowed
from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.runs.supervisor import RunNotFound
from opcode_htmx.sessions.submit import InvalidPrompt, SessionExists
from opcode_htmx.web.http.forms import BadForm
from opcode_htmx.web.rest.invalid_request import InvalidRequest

PLATFORM: dict[type[Exception], int] = {
    InvalidFolder: 422,
    BadForm: 422,
    InvalidRequest: 422,
    RunNotFound: 404,
    RunNotLive: 409,
    CannotStart: 503,
    TrustNeeded: 409,
    FolderNotAllowed: 422,
    DiskFull: 507,
    InvalidPrompt: 422,
    SessionExists: 409,
}


def of(features: Iterable[Feature]) -> dict[type[Exception], int]:
    """The exceptions whose texts are sentences for the person, with their status codes.

    Raises ValueError if two declare the same exception.
    """
    table = dict(PLATFORM)
    for feature in features:
        for error, status in feature.errors.items():
            if error in table:
                raise ValueError(f"{feature.name} declares {error.__name__} again")
            table[error] = status
    return table
