"""Write the parts of docs/ that list what is declared: settings, state folders and metrics.

`make reference` runs it; tests/app/test_documents.py fails when the documents are out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- Declared by features, and written by `make reference`. -->"
END = "<!-- The end of what features declare. -->"
CONFIGURATION = ROOT / "docs" / "configuration.md"
STATE = ROOT / "docs" / "state.md"
METRICS = ROOT / "docs" / "metrics.md"

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from opcode_htmx.app.metrics import families as metric_families  # noqa: E402
from opcode_htmx.app.registry import FEATURES  # noqa: E402
from opcode_htmx.features.feature import Feature  # noqa: E402
from opcode_htmx.lib.metrics.families import Counter, Family  # noqa: E402


def documents(features: Sequence[Feature] = FEATURES) -> dict[Path, str]:
    """The up-to-date documents. Raises ValueError for one without the two markers."""
    return {
        CONFIGURATION: _with_section(CONFIGURATION, _settings(features)),
        STATE: _with_section(STATE, _state(features)),
        METRICS: _with_section(METRICS, _metrics(metric_families.of(features))),
    }


def _with_section(document: Path, section: Iterator[str]) -> str:
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document.name} lacks the comments around the parts of features")
    return "\n".join((f"{before}{BEGIN}", "", *section, "", f"{END}{after}"))


def _settings(features: Sequence[Feature]) -> Iterator[str]:
    found = [
        each for feature in features if feature.settings for each in feature.settings.variables()
    ]
    if not found:
        yield "None yet."
        return
    yield from ("| name | default | meaning |", "|---|---|---|")
    for each in found:
        default = f"`{each.default}`" if each.default else ""
        yield f"| `{each.name}` | {default} | {each.meaning} |"


def _state(features: Sequence[Feature]) -> Iterator[str]:
    yield from ("| name | what | feature | version | how long |", "|---|---|---|---|---|")
    for feature in features:
        for each in feature.state:
            version = "" if each.version is None else str(each.version)
            yield f"| `{each.name}` | {each.holds} | {feature.name} | {version} | {each.keep} |"


def _metrics(families: Sequence[Family]) -> Iterator[str]:
    yield from ("| name | type | labels | meaning |", "|---|---|---|---|")
    for each in families:
        name = f"{each.name}_total" if isinstance(each, Counter) else each.name
        labels = "<br>".join(
            f"`{label}`: {', '.join(values) if label != 'version' else 'its version'}"
            for label, values in each.labels.items()
        )
        yield f"| `{name}` | {each.kind} | {labels} | {each.meaning} |"


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
