"""Ids of elements: safe, stable, and never those of another block."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.rendering.element_ids import block_of, dom_id, is_hashed
from tests.support.environment import ROOT

UUID = "0a1b2c3d-0000-4000-8000-123456789012"


@given(st.text(st.characters(exclude_categories=())))
def test_the_id_of_an_element_is_safe_and_stable(block_id: str) -> None:
    assert re.fullmatch(r"b-[A-Za-z0-9_-]{1,80}", dom_id(block_id))
    assert dom_id(block_id) == dom_id(block_id)


@pytest.mark.parametrize("block_id", ["a b", "a<b", 'a"b', "a'b", "", "ä", "a\n", "x" * 81, "a.b"])
def test_unsafe_id_is_replaced_by_a_unique_safe_one(block_id: str) -> None:
    assert dom_id(block_id) != dom_id(block_id + " ")
    assert block_id not in dom_id(block_id) or not block_id


@pytest.mark.parametrize(
    "block_id", ["msg_01AbC-2", f"{UUID}-0", f"{UUID}-error", "line-0-4711-1", f"end-{UUID}"]
)
def test_a_usual_id_is_kept(block_id: str) -> None:
    assert dom_id(block_id) == f"b-{block_id}"


@given(st.from_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-([0-9]{12}|[a-f]{12})", fullmatch=True))
def test_the_id_of_a_prompt_is_kept(prompt_id: str) -> None:
    """The page finds by it whether what was sent is there: sending.js."""
    assert dom_id(prompt_id) == f"b-{prompt_id}"


def test_no_block_has_the_id_of_an_element_that_a_template_names() -> None:
    templates = (ROOT / "templates/transcript").glob("*.html")
    ids = re.findall(r'(?<![-\w])id="(\{\{[^"]*)"', "".join(each.read_text() for each in templates))
    words = {found[1] for each in ids if (found := re.search(r"\}-([a-z]+)(?:\{\{.*)?$", each))}
    assert words >= {"d", "parts", "children", "in", "x", "preview", "problem", "none"}
    for word in words:
        block_id = "m-0-x0" if word == "x" else f"m-0-{word}"
        assert dom_id(block_id) != f"b-{block_id}"


@pytest.mark.parametrize("block_id", ["m-0-1", "a b", "line-0-4711-1"])
def test_a_block_is_found_by_the_id_of_its_element_also_by_earlier_ones(block_id: str) -> None:
    hashed = sha256(block_id.encode()).hexdigest()[:24]
    for element in (dom_id(block_id), f"b-{block_id}", f"b-{hashed}"):
        assert block_of(element, ["m-0", block_id, "m-1"]) == block_id
        assert block_of(element, ["m-0", "m-1"]) == ""
    assert is_hashed(dom_id("a b")) and not is_hashed(dom_id("m-0"))


@pytest.mark.parametrize("prefix", ["", "-"])
def test_an_id_that_reads_as_the_hash_of_another_one_is_not_taken_for_it(prefix: str) -> None:
    hostile = prefix + dom_id("a b").removeprefix("b--")
    for ids in ([hostile, "a b"], ["a b", hostile]):
        assert [block_of(dom_id(each), ids) for each in ids] == ids


def test_ids_that_are_no_valid_unicode_have_different_elements() -> None:
    assert len({dom_id(each) for each in ("a?", "a\ud800", "a\udfff", "a\ufffd")}) == 4


@given(
    st.from_regex(r"(?:msg_[0-9a]|line|[0-9a-b]{1,2})(?:-[0-9]){0,3}-[0-9]", fullmatch=True),
    st.from_regex(
        r"(?:msg_[0-9a]|line|[0-9a-b]{1,2})(?:-[0-9]){0,4}(?:-parts|-x[0-9])?", fullmatch=True
    ),
    st.sampled_from(["-{}", "-{}-{}", "-{}-in", "-parts", "-d", "-x{}"]),
    st.lists(st.integers(0, 9), min_size=2, max_size=2),
)
def test_no_block_has_the_id_of_a_part_of_a_text(
    text_id: str, block_id: str, suffix: str, numbers: list[int]
) -> None:
    assert dom_id(block_id) != dom_id(text_id) + suffix.format(*numbers)
    hashed = dom_id("a b").removeprefix("b-") + suffix.format(*numbers)
    assert dom_id(hashed) != dom_id("a b") + suffix.format(*numbers)


def test_parts_of_two_texts_have_different_ids() -> None:
    """Although the message of the second one is named as if it were a part of the first one."""
    whole = [f"{message}-0" for message in ("m", "m-0", "m-0-0", "m-0-parts")]
    ids = [f"{dom_id(each)}{more}" for each in whole for more in ("", "-0", "-0-0", "-parts")]
    assert len(set(ids)) == len(ids)
