"""An MCP server over stdio: `stdio_server.py [file]` adds a line to the file at each start."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.support.mcp.protocol import answer


def main() -> None:
    if sys.argv[1:]:
        with Path(sys.argv[1]).open("a") as started:
            started.write("started\n")
    for line in sys.stdin:
        if response := answer(json.loads(line)):
            sys.stdout.write(json.dumps(response) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
