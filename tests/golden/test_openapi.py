"""The description of the API, whole."""

from __future__ import annotations

from pathlib import Path

from tests.golden import golden
from tests.golden.parts import probe
from tests.support.environment import PASSWORD, Sandbox, basic_header

DOCUMENT = """
import sys
from app import app
answer = app.test_client().get("/api/openapi.json", headers={"Authorization": sys.argv[1]})
print(answer.text)
"""


def test_the_description_of_the_api_stays(sandbox: Sandbox, stand_in: Path) -> None:
    environ = {
        **sandbox.environment(),
        "CLAUDE_PATH": str(stand_in),
        "OPCODE_STATE_DIR": str(sandbox.state),
        "OPCODE_PASSWORD": PASSWORD,
        "OPCODE_DEMO": "0",
        "OPCODE_ASK_AHEAD": "0",
    }
    document = probe.printed(DOCUMENT, environ, basic_header()["Authorization"])
    golden.check("openapi", document)
