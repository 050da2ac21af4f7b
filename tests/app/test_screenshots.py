"""The documents show pictures that are there, and every picture stands in a document."""

from __future__ import annotations

from tests.support.environment import ROOT
from tests.support.pages.screenshots import FOLDER, named_in

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_picture_that_a_document_names_exists_and_every_picture_is_named() -> None:
    named = {name for path in DOCUMENTS for name in named_in(path.read_text(encoding="utf-8"))}
    assert named == set(FOLDER.iterdir())


def test_the_pictures_together_are_light() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 3_000_000
