"""Settings declared by features: their names, values, errors, and their lists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest

from opcode_htmx.config import values
from opcode_htmx.config.declarations import FeatureSettings, Parser, SettingsError, setting
from opcode_htmx.config.settings import Settings, declared_variables, work_in


def one_word(text: str) -> str:
    if " " in text:
        raise ValueError(f"must be one word, not {text!r}")
    return text


class HelloSettings(FeatureSettings):
    greeting: Annotated[str, Parser(one_word)] = setting("hello", "The word to greet with.")
    interval: values.Seconds = setting("5m", "How long until the next greeting.")
    most: int = setting("3", "How many greetings there are at most.")
    token: str = setting("", "What the greeting is signed with.", secret=True)
    template: values.OptionalPath = setting("", "The file with the text.", name="OPCODE_TEMPLATE")

    def check(self) -> None:
        if self.most > 100 and not self.token:
            raise ValueError("OPCODE_HELLO_MOST above 100 needs OPCODE_HELLO_TOKEN")


class TwoWordsSettings(FeatureSettings):
    size: values.Size = setting("1M", "How large it may be.")


class GivenPrefixSettings(FeatureSettings, env_prefix="OPCODE_GIVEN_"):
    size: values.Size = setting("1M", "How large it may be.")


FEATURES = (HelloSettings, TwoWordsSettings)


def read(home: Path, **environ: str) -> Settings:
    return Settings.from_env({"HOME": str(home), **environ}, FEATURES)


def hello(home: Path, **environ: str) -> HelloSettings:
    return read(home, **environ).of(HelloSettings)


def refusal(home: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(home, **environ)
    return str(caught.value)


def test_a_feature_has_its_defaults(tmp_path: Path) -> None:
    settings = hello(tmp_path)
    assert (settings.greeting, settings.interval, settings.most) == ("hello", 300, 3)
    assert settings.template is None
    assert read(tmp_path).of(TwoWordsSettings).size == 1_000_000


def test_a_feature_reads_variables_that_are_named_after_it(tmp_path: Path) -> None:
    settings = hello(
        tmp_path,
        OPCODE_HELLO_GREETING="ahoy",
        OPCODE_HELLO_INTERVAL="2h",
        OPCODE_HELLO_MOST="7",
        OPCODE_TEMPLATE="~/text",
    )
    assert (settings.greeting, settings.interval, settings.most) == ("ahoy", 7200, 7)
    assert settings.template == tmp_path / "text"


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert hello(tmp_path, OPCODE_HELLO_GREETING=" ", OPCODE_HELLO_MOST="") == hello(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("OPCODE_HELLO_GREETING", "a b", "OPCODE_HELLO_GREETING must be one word, not 'a b'."),
        (
            "OPCODE_HELLO_INTERVAL",
            "soon",
            "OPCODE_HELLO_INTERVAL must be a time such as 90, 90s, 30m or 2h, not 'soon'.",
        ),
        ("OPCODE_TEMPLATE", "a\0b", "OPCODE_TEMPLATE must be a path without NUL characters."),
        ("OPCODE_HELLO_MOST", "101", "OPCODE_HELLO_MOST above 100 needs OPCODE_HELLO_TOKEN."),
        (
            "OPCODE_HELLO_MOST",
            "x",
            "OPCODE_HELLO_MOST cannot be used: input should be a valid integer, unable to parse "
            "string as an integer.",
        ),
    ],
)
def test_a_bad_value_is_one_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    assert refusal(tmp_path, **{name: text}) == sentence


def test_a_bad_value_of_the_core_is_refused_before_one_of_a_feature(tmp_path: Path) -> None:
    assert refusal(tmp_path, OPCODE_HELLO_GREETING="a b", PORT="0").startswith("PORT ")


def test_a_secret_is_in_no_repr_and_in_no_error(tmp_path: Path) -> None:
    settings = read(tmp_path, OPCODE_HELLO_TOKEN="hunter22")
    assert settings.of(HelloSettings).token == "hunter22"
    assert "hunter22" not in repr(settings) + repr(settings.of(HelloSettings))
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, OPCODE_HELLO_TOKEN="hunter22", OPCODE_HELLO_MOST="x")
    assert caught.value.__suppress_context__
    assert "hunter22" not in f"{caught.value!r} {caught.value.__context__!r}"


def test_the_variables_of_features_are_listed_after_those_of_the_core() -> None:
    core = declared_variables(())
    listed = declared_variables(FEATURES)
    assert listed[: len(core)] == core
    assert [(each.name, each.default, each.meaning) for each in listed[len(core) :]] == [
        ("OPCODE_HELLO_GREETING", "hello", "The word to greet with."),
        ("OPCODE_HELLO_INTERVAL", "5m", "How long until the next greeting."),
        ("OPCODE_HELLO_MOST", "3", "How many greetings there are at most."),
        ("OPCODE_HELLO_TOKEN", "", "What the greeting is signed with."),
        ("OPCODE_TEMPLATE", "", "The file with the text."),
        ("OPCODE_TWO_WORDS_SIZE", "1M", "How large it may be."),
    ]


def test_a_prefix_can_be_given(tmp_path: Path) -> None:
    assert [each.name for each in GivenPrefixSettings.variables()] == ["OPCODE_GIVEN_SIZE"]
    assert GivenPrefixSettings.read({"OPCODE_GIVEN_SIZE": "2M"}, tmp_path).size == 2_000_000


def test_a_name_that_is_declared_twice_is_an_error() -> None:
    class Copy(FeatureSettings):
        user: str = setting("", "A name that the core has already.", name="OPCODE_USER")

    with pytest.raises(ValueError, match="OPCODE_USER is declared 2 times"):
        declared_variables((Copy,))


def test_variables_of_features_are_known_names(tmp_path: Path) -> None:
    environ = {"OPCODE_HELLO_MOST": "1", "OPCODE_HELLO_MSOT": "1"}
    assert read(tmp_path, **environ).unknown == ("OPCODE_HELLO_MSOT",)
    without = Settings.from_env({"HOME": str(tmp_path), **environ})
    assert without.unknown == ("OPCODE_HELLO_MOST", "OPCODE_HELLO_MSOT")


def test_unread_settings_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="GivenPrefixSettings"):
        read(tmp_path).of(GivenPrefixSettings)


def test_a_field_without_a_meaning_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"Plain\.count must be declared with setting\(\)"):

        class Plain(FeatureSettings):
            count: int = 3


def test_variable_name_passed_on_to_claude_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"Foreign\.token must have a name that begins with OPCODE"):

        class Foreign(FeatureSettings):
            token: str = setting("", "A secret.", name="GREETING_TOKEN")


def test_relative_paths_of_features_keep_their_meaning_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OPCODE_TEMPLATE", "text")
    monkeypatch.setenv("OPCODE_HELLO_GREETING", "text")
    monkeypatch.chdir(here)
    work_in(there, Settings.from_env(feature_settings=FEATURES))
    again = Settings.from_env(feature_settings=FEATURES).of(HelloSettings)
    assert (again.template, again.greeting) == (here / "text", "text")
