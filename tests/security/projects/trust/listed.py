"""Files of a project, and the items that are listed of them."""

from __future__ import annotations

import json
from pathlib import Path

from opcode_htmx.engines.claude.trust.items import items_of
from opcode_htmx.engines.trust import TrustItem


def listed(folder: Path, home: Path) -> tuple[TrustItem, ...]:
    return items_of(folder, home, home / ".claude")


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path
