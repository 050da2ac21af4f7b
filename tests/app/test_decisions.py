"""The list of decisions names all documents beside it, by their titles and in order."""

from __future__ import annotations

import re

from tests.support.environment import ROOT

DECISIONS = ROOT / "docs" / "decisions"
ROW = re.compile(r"^\| (\d+) \| \[(.+)\]\((.+)\) \| .+ \|$", re.M)


def test_the_list_of_decisions_names_every_document_by_its_title() -> None:
    listed = ROW.findall((DECISIONS / "README.md").read_text(encoding="utf-8"))
    documents = sorted(DECISIONS.glob("[0-9]*.md"))
    assert [name for _, _, name in listed] == [path.name for path in documents]
    for (number, title, name), path in zip(listed, documents, strict=True):
        assert name.startswith(f"{int(number):04}-")
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. {title}\n")
