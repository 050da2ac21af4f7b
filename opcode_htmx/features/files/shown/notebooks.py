"""A Jupyter notebook, as the cards of Read show one: cells, and their outputs as text."""

from __future__ import annotations

from typing import Any, BinaryIO

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict, as_list, as_str
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.rendering.cards import notebooks
from opcode_htmx.rendering.cards.parts import ColouredText

MOST_BYTES = 4_000_000
MOST_CELLS = 500


def notebook(file: BinaryIO) -> ColouredText | None:
    """The notebook in a file; None if it is none, or a very large one."""
    content = file.read(MOST_BYTES + 1) or b""
    if len(content) > MOST_BYTES:
        return None
    cells = run_cpu_in_thread(_cells, content)
    return notebooks.shown(cells) if cells else None


def _cells(content: bytes) -> list[dict[str, Any]]:
    try:
        found = bounded_json.loads(content)
    except ValueError:
        return []
    document = as_dict(found)
    metadata = as_dict(document.get("metadata"))
    language = as_dict(metadata.get("language_info")).get("name") or as_dict(
        metadata.get("kernelspec")
    ).get("language")
    return [
        _cell(each, language if isinstance(language, str) else "python")
        for each in as_list(document.get("cells"))[:MOST_CELLS]
        if isinstance(each, dict)
    ]


def _cell(cell: dict[str, Any], language: str) -> dict[str, Any]:
    outputs = as_list(cell.get("outputs"))
    return {
        "cellType": cell.get("cell_type", "code"),
        "language": language,
        "source": _text(cell.get("source")),
        "execution_count": cell.get("execution_count"),
        "outputs": [{"text": _output(each)} for each in outputs if isinstance(each, dict)],
    }


def _output(output: dict[str, Any]) -> str:
    if output.get("output_type") == "error":
        lines = as_list(output.get("traceback"))
        return "\n".join(each for each in lines if isinstance(each, str))
    data = as_dict(output.get("data"))
    found = _text(output.get("text")) or _text(data.get("text/plain"))
    images = [kind for kind in data if isinstance(kind, str) and kind.startswith("image/")]
    return "\n".join(filter(None, (found, *(f"[{kind}]" for kind in images))))


def _text(value: object) -> str:
    """The format has a text as one string, or as a list of lines."""
    if isinstance(value, list):
        return "".join(each for each in value if isinstance(each, str))
    return as_str(value)
