"""The refusals that several endpoints describe, by status."""

from __future__ import annotations

FORBIDDEN = (
    "Bypass mode is not allowed on this server, or the request came from the page of another "
    "origin, or without its token."
)
NOT_FOUND = {404: "There is no such project or session."}
CANNOT_START = {
    403: FORBIDDEN,
    404: "There is no session to go on with.",
    409: "A session with this id exists already, or Claude does not read, or the files of the "
    "project would run what nobody has trusted: then “trust” has the list.",
    503: "Claude could not be started.",
}
CANNOT_END = {**NOT_FOUND, 503: "Its processes are still being ended."}
