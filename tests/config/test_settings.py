"""Settings: defaults, refusals, and the document that describes them."""

import re
from pathlib import Path

import pytest

from opcode_htmx.app import feature_settings
from opcode_htmx.config.settings import SettingsError, declared_variables
from tests.config.variables import chosen, read
from tests.support.environment import ROOT

DOCUMENT = ROOT / "docs" / "configuration.md"
VARIABLES = declared_variables(feature_settings.load())


def test_an_empty_environment_gives_the_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert (settings.host, settings.port, settings.user) == ("0.0.0.0", 8080, "opcode")
    assert settings.password is None
    assert settings.claude_path is None
    assert settings.claude_config_dir == tmp_path / ".claude"
    assert settings.state_dir == tmp_path / ".local/state/opcode-htmx"
    assert settings.project_roots == (tmp_path.resolve(),)
    assert settings.permission_mode is None
    assert settings.allowed_origins == settings.allowed_hosts == ()
    assert settings.demo is None
    assert (settings.stop_deadline, settings.idle_timeout) == (5, 1800)
    assert (settings.keep_running, settings.disconnect_grace) == (True, 60)
    assert settings.allow_bypass is False


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    empty = {variable.name: "" for variable in VARIABLES}
    assert chosen(read(tmp_path, **empty)) == chosen(read(tmp_path))


def test_the_state_folder_follows_xdg_state_home(tmp_path: Path) -> None:
    settings = read(tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    assert settings.state_dir == tmp_path / "state/opcode-htmx"


def test_a_tilde_means_the_home_folder(tmp_path: Path) -> None:
    settings = read(tmp_path, OPCODE_STATE_DIR="~/kept", CLAUDE_CONFIG_DIR="~")
    assert settings.state_dir == tmp_path / "kept"
    assert settings.claude_config_dir == tmp_path


def test_project_roots_are_separate_real_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").mkdir()
    settings = read(tmp_path, OPCODE_PROJECT_ROOTS=f"~/a:~/b:{tmp_path}/c")
    assert settings.project_roots == ((tmp_path / "a").resolve(), (tmp_path / "c").resolve())


def test_lists_are_split_at_commas_and_lowered(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        OPCODE_ALLOWED_ORIGINS="https://Phone.example/, http://[::1]:8080",
        OPCODE_ALLOWED_HOSTS="Phone.example,box.local:8080,",
    )
    assert settings.allowed_origins == ("https://phone.example", "http://[::1]:8080")
    assert settings.allowed_hosts == ("phone.example", "box.local:8080")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("30m", 1800), ("2h", 7200)]
)
def test_times_take_a_unit(tmp_path: Path, text: str, seconds: float) -> None:
    assert read(tmp_path, OPCODE_IDLE_TIMEOUT=text).idle_timeout == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1500", 1500), ("2G", 2e9), ("1.5m", 1.5e6), ("500KB", 5e5)]
)
def test_sizes_take_a_unit(tmp_path: Path, text: str, size: float) -> None:
    assert read(tmp_path, OPCODE_MAX_OUTPUT=text).max_output == size


@pytest.mark.parametrize(("text", "amount"), [("4G", 4e9), ("80%", 0.8), ("0", 0), ("100%", 1)])
def test_memory_is_a_size_or_a_share_of_the_machine(
    tmp_path: Path, text: str, amount: float
) -> None:
    assert read(tmp_path, OPCODE_MEMORY_LIMIT=text).memory_limit == amount


@pytest.mark.parametrize(("text", "days"), [("30d", 30), ("7", 7), ("0", 0)])
def test_runs_are_kept_for_days(tmp_path: Path, text: str, days: int) -> None:
    assert read(tmp_path, OPCODE_KEEP_RUNS=text).keep_runs == days * 86400


def test_an_idle_timeout_of_zero_means_never(tmp_path: Path) -> None:
    assert read(tmp_path, OPCODE_IDLE_TIMEOUT="0").idle_timeout == 0


@pytest.mark.parametrize(("text", "demo"), [("1", True), ("0", False)])
def test_demo_mode_can_be_forced_either_way(tmp_path: Path, text: str, demo: bool) -> None:
    assert read(tmp_path, OPCODE_DEMO=text).demo is demo


@pytest.mark.parametrize("mode", ["default", "acceptEdits", "plan"])
def test_the_permission_modes_that_ask_are_taken(tmp_path: Path, mode: str) -> None:
    assert read(tmp_path, OPCODE_PERMISSION_MODE=mode).permission_mode == mode


BAD_VALUES = [
    ("HOST", "http://here"),
    ("PORT", "0"),
    ("PORT", "65536"),
    ("PORT", "0000080800000"),
    ("PORT", "eighty"),
    ("PORT", "\u0668\u0660"),
    ("OPCODE_USER", "a:b"),
    ("CLAUDE_PATH", "a\0b"),
    ("OPCODE_PROJECT_ROOTS", "/nowhere/at/all"),
    ("OPCODE_PROJECT_ROOTS", ":"),
    ("OPCODE_PERMISSION_MODE", "yolo"),
    ("OPCODE_PERMISSION_MODE", "bypassPermissions"),
    ("OPCODE_ALLOW_BYPASS", "yes"),
    ("OPCODE_ON_DISCONNECT", "pause"),
    ("OPCODE_DISCONNECT_GRACE", "soon"),
    ("OPCODE_DISCONNECT_GRACE", "4.9"),
    ("OPCODE_ALLOWED_ORIGINS", "phone.example"),
    ("OPCODE_ALLOWED_ORIGINS", "https://*"),
    ("OPCODE_ALLOWED_ORIGINS", "https://["),
    ("OPCODE_ALLOWED_ORIGINS", "https://user@phone.example"),
    ("OPCODE_ALLOWED_ORIGINS", "https://phone.example/path"),
    ("OPCODE_ALLOWED_HOSTS", "https://phone.example"),
    ("OPCODE_ALLOWED_HOSTS", "*"),
    ("OPCODE_ON_EXIT", "pause"),
    ("OPCODE_MAX_RUNS", "-1"),
    ("OPCODE_MAX_RUNS", "many"),
    ("OPCODE_WORKERS", "0"),
    ("OPCODE_WORKERS", "17"),
    ("OPCODE_DEMO", "yes"),
    ("OPCODE_STOP_DEADLINE", "0"),
    ("OPCODE_STOP_DEADLINE", "nan"),
    ("OPCODE_IDLE_TIMEOUT", "-1"),
    ("OPCODE_IDLE_TIMEOUT", "inf"),
    ("OPCODE_IDLE_TIMEOUT", "1d"),
    ("OPCODE_MAX_OUTPUT", "-1"),
    ("OPCODE_MAX_OUTPUT", "2 gigabytes"),
    ("OPCODE_MAX_LINE", "0"),
    ("OPCODE_MAX_LINE", "99K"),
    ("OPCODE_MEMORY_LIMIT", "120%"),
    ("OPCODE_MEMORY_LIMIT", "1"),
    ("OPCODE_MEMORY_WARNING", "half"),
    ("OPCODE_MAX_QUEUED", "many"),
    ("OPCODE_MAX_VIEWERS", "-1"),
    ("OPCODE_MIN_FREE", "1.2.3M"),
    ("OPCODE_KEEP_RUNS", "30m"),
]


def refusal(folder: Path, name: str, text: str) -> str:
    """The sentence about this value, empty if it is taken."""
    try:
        read(folder, **{name: text})
    except SettingsError as error:
        return str(error)
    return ""


def test_a_bad_value_is_refused_in_one_sentence_with_its_name(tmp_path: Path) -> None:
    said = [(name, text, refusal(tmp_path, name, text)) for name, text in BAD_VALUES]
    assert [each for each in said if not re.fullmatch(rf"{each[0]} .+\.", each[2])] == []


def test_a_misspelt_name_is_noticed(tmp_path: Path) -> None:
    assert read(
        tmp_path, OPCODE_PASSWROD="x", OPCODE_RUN_ID="y", OPCODE_RUN_FOLDER="/r"
    ).unknown == ("OPCODE_PASSWROD",)


def test_the_document_and_the_code_list_the_same_variables_in_the_same_order() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (?:`(.*?)`)? ?\| (\S.*) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    assert [row[:2] for row in rows] == [(each.name, each.default) for each in VARIABLES]
    differing = [
        variable.name
        for variable, (_, _, meaning) in zip(VARIABLES, rows, strict=True)
        if not meaning.startswith(variable.meaning)
    ]
    assert differing == []


def test_of_several_bad_values_the_first_of_the_document_is_refused(tmp_path: Path) -> None:
    bad = {"OPCODE_TASK_TIMEOUT": "0", "PORT": "0", "OPCODE_PROJECT_ROOTS": ":"}
    with pytest.raises(SettingsError, match=r"^PORT [^\n]*\.$"):
        read(tmp_path, **bad)


def test_a_default_that_is_written_out_changes_nothing(tmp_path: Path) -> None:
    written = {variable.name: variable.default for variable in VARIABLES}
    assert chosen(read(tmp_path, **written)) == chosen(read(tmp_path))


def test_names_are_case_sensitive(tmp_path: Path) -> None:
    assert read(tmp_path, port="1", Opcode_User="x") == read(tmp_path).with_values(
        child_environment={"HOME": str(tmp_path), "port": "1", "Opcode_User": "x"}
    )


def test_settings_are_immutable(tmp_path: Path) -> None:
    settings = read(tmp_path)
    with pytest.raises(AttributeError, match="frozen"):
        settings.port = 1
    with pytest.raises(TypeError):
        settings.child_environment["A"] = "b"  # type: ignore[index]


@pytest.mark.parametrize("name", ["OPCODE_PROJECT_ROOTS", "OPCODE_TASK_FOLDER"])
def test_a_name_too_long_for_the_disk_is_refused_like_a_missing_folder(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{name} names .* which is not a folder"):
        read(tmp_path, **{name: "x" * 300})
