"""`python -m opcode_htmx.demo FOLDER`: start the demo's Messages API in the background."""

from __future__ import annotations

import sys

from opcode_htmx.demo.daemon import main

if __name__ == "__main__":
    sys.exit(main())
