"""The settings of the service are written so that systemd, and we, read the same values back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.app.service import environment_file
from opcode_htmx.app.service.environment_file import BadEnvironment

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Zs"), include_characters=" "))


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "service.env"
    path.write_text(environment_file.text_of(variables), encoding="utf-8")
    assert environment_file.read(path) == variables


def test_what_a_person_writes_is_read_as_systemd_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "service.env"
    path.write_text(
        "# a remark\n; another one\n\n"
        "PLAIN = two words \n"
        "SINGLE='a \"b\" $c \\d'\n"
        'DOUBLE="a \\"b\\" \\$c \\d \\\\"\n'
        "EMPTY=\n"
    )
    assert environment_file.read(path) == {
        "PLAIN": "two words",
        "SINGLE": 'a "b" $c \\d',
        "DOUBLE": 'a "b" $c \\d \\',
        "EMPTY": "",
    }


@pytest.mark.parametrize("line", ["no equals", 'A="open', "A='open", "1A=x", 'A=b"c', "=x"])
def test_a_line_that_means_nothing_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "service.env"
    path.write_text(f"A=b\n{line}\n")
    with pytest.raises(BadEnvironment, match="^Line 2 of "):
        environment_file.read(path)


@pytest.mark.parametrize("value", ["two\nlines", "a\x1b[31m", "a\x00b"])
def test_a_value_with_control_characters_is_refused_and_not_printed(value: str) -> None:
    with pytest.raises(BadEnvironment) as refusal:
        environment_file.text_of({"SECRET": value})
    assert str(refusal.value).startswith("SECRET holds characters")


def test_without_a_file_there_are_no_settings(tmp_path: Path) -> None:
    assert environment_file.read(tmp_path / "service.env") == {}
