"""`opcode-htmx`, or `python -m opcode_htmx`: check all, say where to go, become the server."""

import sys

from opcode_htmx.app import cli


def main() -> int:
    """Act on the command line; returns only what the launcher does when no server starts."""
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
