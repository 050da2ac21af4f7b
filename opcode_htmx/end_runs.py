"""`python -m opcode_htmx.end_runs`: end all runs on this computer; see app/end_runs.py."""

from __future__ import annotations

import sys

from opcode_htmx.app.end_runs import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
