"""Whether the server in this container answers: exit status 0 or 1. Needs no curl."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT = 4.0  # seconds; the Dockerfile allows five
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - nothing listens here


def main() -> int:
    """Ask /healthz, as the settings of the server say where it is."""
    host = os.environ.get("HOST", "")
    port = int(os.environ.get("PORT") or "8080")
    path = os.environ.get("OPCODE_BASE_PATH", "") + "/healthz"
    connection = HTTPConnection(
        "127.0.0.1" if host in _EVERY_ADDRESS else host, port, timeout=TIMEOUT
    )
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        print(f"{path} does not answer: {error}")
        return 1
    print(f"{path} answers {status}")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
