"""`python -m opcode_htmx`: check everything, say where to go, become the server."""

import sys

from opcode_htmx.app.cli import main

sys.exit(main(sys.argv[1:]))
