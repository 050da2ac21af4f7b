"""What a page shows of budgets."""

from __future__ import annotations

import html
import re


def shown(page: str) -> str:
    """Its text, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
