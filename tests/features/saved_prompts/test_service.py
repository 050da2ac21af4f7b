"""The library of saved prompts: who sees which, its limits, and deleting with undo."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.features.saved_prompts import service
from opcode_htmx.features.saved_prompts.service import (
    NoSuchPrompt,
    PromptLibrary,
    PromptRefused,
    matches,
    words_of,
)
from opcode_htmx.lib.files import json_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "saved_prompts"


@pytest.fixture
def library(folder: Path) -> PromptLibrary:
    return PromptLibrary(folder)


def texts(library: PromptLibrary, user: str = "ann") -> list[str]:
    return [each.text for each in library.all(user)]


def test_each_person_has_prompts_of_their_own_the_newest_first(
    library: PromptLibrary, folder: Path
) -> None:
    library.add("ann", "Prune the pears")
    library.add("ann", "Water them", name=" In  summer ")
    library.add("../bob\udcff", "Pick the apples")
    assert texts(PromptLibrary(folder)) == ["Water them", "Prune the pears"]
    assert texts(library, "../bob\udcff") == ["Pick the apples"]
    assert [each.title for each in library.all("ann")] == ["In summer", "Prune the pears"]
    assert len(list(folder.iterdir())) == 2
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes <= {0o700, 0o600}


def test_a_project_shows_its_own_prompts_and_then_those_for_all(library: PromptLibrary) -> None:
    library.add("ann", "for the orchard", folder="/work/orchard")
    library.add("ann", "for the harbour", folder="/work/harbour")
    library.add("ann", "for all")
    found = [each.text for each in library.of_project("ann", "/work/orchard")]
    assert found == ["for the orchard", "for all"]
    assert [each.text for each in library.of_project("ann", "")] == ["for all"]


def test_a_prompt_is_saved_once_however_often_the_button_is_pressed(
    library: PromptLibrary,
) -> None:
    assert library.add("ann", "Prune ") == library.add("ann", "Prune")
    library.add("ann", "Prune", folder="/work/orchard")
    assert texts(library) == ["Prune", "Prune"]


def test_a_change_keeps_the_place_and_the_id(library: PromptLibrary) -> None:
    first, _ = library.add("ann", "Prune"), library.add("ann", "Water")
    changed = library.change("ann", first.id, "Prune them", "Pears", "/work/orchard")
    assert library.get("ann", first.id) == changed
    assert (changed.detail, changed.created_at) == ("Prune them", first.created_at)
    assert texts(library) == ["Water", "Prune them"]


def test_a_deleted_prompt_comes_back_to_its_place(library: PromptLibrary) -> None:
    for text in ("one", "two", "three"):
        library.add("ann", text)
    two = library.all("ann")[1]
    library.delete("ann", two.id)
    assert texts(library) == ["three", "one"]
    deleted = library.deleted("ann", two.id)
    assert deleted
    assert deleted.text == "two"
    assert library.restore("ann", two.id) == two
    assert library.restore("ann", two.id) == two  # a second tap
    assert texts(library) == ["three", "two", "one"]


def test_the_last_deleted_ones_are_kept_and_no_more(
    library: PromptLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_DELETED", 2)
    saved = [library.add("ann", text) for text in ("one", "two", "three")]
    for each in saved:
        library.delete("ann", each.id)
    assert [bool(library.deleted("ann", each.id)) for each in saved] == [False, True, True]


@pytest.mark.parametrize(
    "act",
    [
        lambda library, found: library.get("ann", found),
        lambda library, found: library.change("ann", found, "x", "", ""),
        lambda library, found: library.delete("ann", found),
        lambda library, found: library.restore("ann", found),
    ],
)
def test_what_is_not_there_or_belongs_to_another_person_is_not_found(
    library: PromptLibrary, act: Callable[[PromptLibrary, str], object]
) -> None:
    other = library.add("bob", "Prune")
    for prompt_id in (other.id, "../x", ""):
        with pytest.raises(NoSuchPrompt, match="no longer there"):
            act(library, prompt_id)
    assert texts(library, "bob") == ["Prune"]


@pytest.mark.parametrize(
    ("text", "name", "project", "sentence"),
    [
        (" \n", "", "", "Write the prompt first."),
        ("x" * 20_001, "", "", "A saved prompt may have 20,000 characters."),
        ("x", "n" * 81, "", "The name is longer than 80 characters."),
        ("x", "", "orchard", "Choose one of the projects."),
        ("x", "", "/" + "x" * 13_000, "Choose one of the projects."),
    ],
    ids=["empty", "a long text", "a long name", "no path", "a long path"],
)
def test_what_cannot_be_saved_is_refused_with_a_sentence(
    library: PromptLibrary, text: str, name: str, project: str, sentence: str
) -> None:
    with pytest.raises(PromptRefused, match=sentence):
        library.add("ann", text, name, project)
    assert texts(library) == []


def test_the_number_of_prompts_is_limited_also_when_one_comes_back(
    library: PromptLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST", 2)
    one = library.add("ann", "one")
    library.add("ann", "two")
    with pytest.raises(PromptRefused, match="There are 2 saved prompts already"):
        library.add("ann", "three")
    library.delete("ann", one.id)
    library.add("ann", "three")
    with pytest.raises(PromptRefused):
        library.restore("ann", one.id)
    assert texts(library) == ["three", "two"]


def test_a_damaged_file_is_put_aside_and_not_lost(
    library: PromptLibrary, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files.log, "disabled", True)
    library.add("ann", "Prune")
    (file,) = folder.iterdir()
    file.write_text('{"prompts": [{"id": 1}]}')
    assert texts(library) == []
    library.add("ann", "Water")
    assert texts(library) == ["Water"]
    assert len(list(folder.glob("*.unreadable-*"))) == 1


def test_a_search_finds_all_words_in_any_order_and_case() -> None:
    assert matches(words_of("PEARS prune"), "", "Prune the pears")
    assert matches(words_of("straße"), "Die STRASSE")
    assert matches(words_of("梨"), "修剪梨树")
    assert matches(words_of("  "), "anything")
    assert not matches(words_of("pears apples"), "Prune the pears")
