"""`python -m opcode_htmx.engines.claude.demo FOLDER`: start the demo's Messages API."""

from __future__ import annotations

import sys

from opcode_htmx.engines.claude.demo.daemon import main

if __name__ == "__main__":
    sys.exit(main())
