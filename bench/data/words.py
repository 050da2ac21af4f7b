"""Words and code for sessions, as they stand within the quotes of a JSON string.

English and code of the standard library, and some Chinese, Japanese, Korean, Arabic and emoji.
"""

from __future__ import annotations

import json
from functools import cache

from bench.data import material

NOUNS = (
    *("orchard", "ledger", "beacon", "harbor", "atlas", "pixel", "relay", "quartz", "willow"),
    *("comet", "forge", "lantern", "meadow", "nimbus", "otter", "prism", "raven", "summit"),
)
TASKS = (
    *("retry the upload", "sort the invoices", "cache the thumbnails", "paginate the audit log"),
    *("parse the time zone", "drop the old index", "stream the export", "rename the column"),
    *("debounce the search", "rotate the token", "merge the two queues", "escape the file name"),
)
FOREIGN = (
    "请修复登录页面的错误，并为它添加测试。",
    "数据库迁移之后列表是空的，为什么？",
    "検索結果の並び順を直してください。日付の新しい順です。",
    "파일 업로드가 큰 이미지에서 실패합니다. 원인을 찾아 주세요.",
    "من فضلك أصلح ترتيب القائمة وأضف اختبارًا لها.",
    "لماذا تفشل عملية الرفع عندما يكون الملف كبيرًا؟",
    "Ship it 🚀 once the tests are green ✅",
    "The 🐛 is back: 👩‍💻 sees it on her phone 📱",
)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


@cache
def prose() -> tuple[str, ...]:
    return tuple(quoted(text) for text in material.paragraphs())


@cache
def code() -> tuple[tuple[str, ...], ...]:
    """Stretches of code, each as its rows."""
    texts = (material.code(number, 8 + number % 25) for number in range(400))
    return tuple(tuple(map(quoted, text.split("\n"))) for text in texts)


@cache
def answers() -> tuple[str, ...]:
    """Markdown with headings, lists, tables and code."""
    text = material.answer(240_000)
    return tuple(quoted(text[at : at + 600]) for at in range(0, len(text), 600))


@cache
def foreign() -> tuple[str, ...]:
    return tuple(map(quoted, FOREIGN))
