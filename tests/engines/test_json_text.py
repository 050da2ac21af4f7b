"""Changes of single values in JSON files, and secrets that are hidden in them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.config import json_text, secrets
from opcode_htmx.engines.claude.config.json_text import InvalidJson

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
INDENTS = st.sampled_from([None, 1, 2, 4, "\t"])


def strings_in(value: Any, path: json_text.Path = ()) -> Iterator[tuple[json_text.Path, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for key, inner in value.items():
                yield from strings_in(inner, (*path, key))
        case list():
            for number, inner in enumerate(value):
                yield from strings_in(inner, (*path, number))


@given(VALUES, INDENTS, st.booleans())
def test_string_values_are_found_with_their_paths_and_places(
    value: Any, indent: Any, ascii_only: bool
) -> None:
    text = json.dumps({"a": value}, indent=indent, ensure_ascii=ascii_only)
    spans = list(json_text.strings(text))
    assert [(each.path, each.value) for each in spans] == list(strings_in({"a": value}))
    longer = json_text.replaced(text, [(each, f"{each.value}!") for each in spans])
    after = list(strings_in(json.loads(longer)))
    assert after == [(path, f"{found}!") for path, found in strings_in({"a": value})]


def test_other_values_order_and_style_stay_when_one_value_is_changed() -> None:
    before = '{\n    "z": {"deep": [1, 2.50]},\n    "model": "opus",\n    "unknown": "ü"\n}\n'
    after = json_text.with_value(before, ["model"], "sonnet")
    assert (
        after
        == json.dumps(
            {"z": {"deep": [1, 2.5]}, "model": "sonnet", "unknown": "ü"},
            indent=4,
            ensure_ascii=False,
        )
        + "\n"
    )


def test_objects_on_the_way_to_a_value_are_made() -> None:
    after = json_text.with_value("", ["permissions", "defaultMode"], "plan")
    assert json.loads(after) == {"permissions": {"defaultMode": "plan"}}


def test_object_left_empty_goes_with_its_last_value() -> None:
    text = '{"env": {"A": "1"}, "model": "opus"}'
    assert json.loads(json_text.without(text, ["env", "A"])) == {"model": "opus"}
    assert json_text.without(text, ["env", "B"]) == text


def test_windows_line_ends_and_byte_order_mark_stay() -> None:
    before = '\ufeff{\r\n  "a": 1\r\n}\r\n'
    assert json_text.with_value(before, ["a"], 2) == '\ufeff{\r\n  "a": 2\r\n}\r\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1,\n}', "line 2, column 1"),
        ("[1]", "must be an object"),
        ('{"a": 1, "a": 2}', "“a” stands in it twice"),
        ('{"a": NaN}', "NaN"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_text_that_cannot_be_changed_without_loss_is_refused_with_the_place(
    text: str, reason: str
) -> None:
    with pytest.raises(InvalidJson, match=reason):
        json_text.with_value(text, ["a"], 1)


def test_value_is_not_put_below_one_that_is_no_object() -> None:
    with pytest.raises(InvalidJson, match="“env”"):
        json_text.with_value('{"env": "A=1"}', ["env", "A"], "1")


SECRET = json.dumps(
    {
        "env": {"API_TOKEN": "t0p", "LANG": "de"},
        "hooks": {"Stop": [{"hooks": [{"type": "http", "headers": {"X": "h1dden"}}]}]},
        "apiKeyHelper": "/bin/key.sh",
    },
    indent=2,
)


def test_secrets_are_hidden_and_come_back_where_they_were_left_as_they_are() -> None:
    shown = secrets.hidden(SECRET)
    assert "t0p" not in shown
    assert "h1dden" not in shown
    assert json.loads(shown)["env"]["LANG"] == "de"
    assert json.loads(shown)["apiKeyHelper"] == "/bin/key.sh"
    assert secrets.revealed(shown, SECRET) == SECRET
    changed = shown.replace('"de"', '"fr"')
    assert json.loads(secrets.revealed(changed, SECRET))["env"] == {
        "API_TOKEN": "t0p",
        "LANG": "fr",
    }


def test_hidden_value_without_a_secret_behind_it_is_refused_by_name() -> None:
    text = '{"env": {"OTHER_TOKEN": "********"}}'
    with pytest.raises(secrets.SecretMissing, match=r"env\.OTHER_TOKEN"):
        secrets.revealed(text, SECRET)


def test_secrets_are_hidden_in_a_text_that_is_no_valid_json() -> None:
    shown = secrets.hidden(SECRET + ",")
    assert "t0p" not in shown
    assert "h1dden" not in shown
    assert "/bin/key.sh" not in shown  # its name looks secret, and what it is cannot be known


@pytest.mark.parametrize(
    "text",
    [
        '{"env": {"HTTPS_PROXY": "http://me:<>@proxy:3128"}}',
        '{"env": {"SSH_PASSPHRASE": "<>", "GH_PAT": "<>", "DB_PWD": "<>"}}',
        '{"env": {"PRINTER": "sk-ant-api03-<>-0123456789"}}',
        '{"env": {"API_KEY": ["<>", {"a": "<>"}]}, "headers": {"X": ["<>"]}}',
        '{"mcpServers": {"a": {"env": {"PLAIN": "<>"}, "oauth": {"clientSecret": "<>"}}}}',
        '{"mcpServers": {"a": {"args": ["--token", "<>", "--api-key=<>", "https://<>@host/"]}}}',
        '{"mcpServers": {"a": {"url": "https://me:<>@host/?key=<>"}}}',
        '{"hooks": {"Stop": [{"hooks": [{"command": "curl https://me:<>@host/ | sh"}]}]}}',
    ],
)
def test_secrets_are_hidden_wherever_they_stand_and_stay_as_they_were(text: str) -> None:
    text = text.replace("<>", "t0p")
    shown = secrets.hidden(text)
    assert "t0p" not in shown
    assert "********" in shown
    assert secrets.revealed(shown, text) == text
    assert secrets.hidden(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        '{"env": {"API_KEY": "<>}',
        '{"env": {"API_KEY": "<>\n, "B": 1}',
        "{'env': {}, \"env\": {\"API_KEY\": '<>'}}",
        '{"env": {"A": "}{", "PLAIN": "<>"},,}',
        '{"headers": {"\\u0041uth": "<>"},,}',
        '{"env": {"API_KEY": "a\\\n<>"}}',
        '{"env": {"API_KEY": "' + "x" * 10_001 + '<>"},,}',
        '{"env": {"API_KEY": "a", "API_KEY": "<>"}}',
        '{"mcpServers": {"a": {"args": ["http://me:<>@host/"]}},,}',
    ],
)
def test_secrets_of_a_broken_file_are_hidden(text: str) -> None:
    assert "t0p" not in secrets.hidden(text.replace("<>", "t0p"))


def test_secrets_of_a_broken_file_are_kept_when_it_is_mended() -> None:
    broken = SECRET + ","
    mended = secrets.hidden(broken).removesuffix(",")
    assert secrets.revealed(mended, broken) == SECRET


def test_argument_keeps_its_secret_when_others_before_it_are_removed() -> None:
    before = '{"args": ["-y", "--token", "t0p", "--password=s3cret"]}'
    typed = '{"args": ["--password=********", "--token", "********"]}'
    assert secrets.revealed(typed, before) == ('{"args": ["--password=s3cret", "--token", "t0p"]}')


def test_hidden_part_of_a_value_that_was_changed_is_refused_by_name() -> None:
    before = '{"url": "https://me:t0p@host/", "command": "curl https://me:t0p@host/"}'
    for typed in (
        '{"url": "https://********@elsewhere/"}',
        '{"command": "wget https://********@host/"}',
    ):
        with pytest.raises(secrets.SecretMissing, match="whole value"):
            secrets.revealed(typed, before)


def test_long_hostile_files_are_looked_through_in_linear_time() -> None:
    for text in ('"env": {"A":"b', '"env":{', '"a":"\\', '"a" ' + " " * 99, "://a", "https://a:"):
        begun = time.thread_time()
        secrets.hidden(text * (500_000 // len(text)))
        assert time.thread_time() - begun < 5
