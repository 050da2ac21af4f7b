"""The Dockerfile, compose.yaml, fly.toml and Caddyfile: safe, complete, and in agreement."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from deploy.docker import entrypoint
from opcode_htmx.app import feature_settings
from opcode_htmx.config.settings import declared_variables
from scripts import debian_programs
from tests.support.environment import ROOT, missing
from tests.support.outside.proxies import WALL_HASH

DOCKER = ROOT / "deploy/docker"
FLY = ROOT / "deploy/fly/fly.toml"
OF_OTHERS = {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "TZ"}
"""Variables of Claude and of the system, which the server passes on."""

Instruction = tuple[str, str]


def stages() -> dict[str, list[Instruction]]:
    """The instructions of each stage of the Dockerfile, by its name."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    found: dict[str, list[Instruction]] = {"": []}
    current = ""
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            current = rest.rpartition(" AS ")[2]
            found[current] = []
        if word:
            found[current].append((word, " ".join(rest.split())))
    return found


def of(word: str, stage: str | None = None) -> list[str]:
    """The arguments of each such instruction, in a stage or in all."""
    chosen = stages() if stage is None else {stage: stages()[stage]}
    return [rest for each in chosen.values() for name, rest in each if name == word]


def sources(copy: str) -> list[str]:
    """What a COPY takes from the checkout; nothing if it takes from another stage."""
    words = shlex.split(copy)
    return [] if words[0].startswith("--from=") else words[:-1]


def admitted() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def is_admitted(path: str) -> bool:
    return any(PurePosixPath(path).is_relative_to(each) for each in admitted())


def settings() -> set[str]:
    return {each.name for each in declared_variables(feature_settings.load())}


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))
    return content


def fly() -> dict[str, Any]:
    return tomllib.loads(FLY.read_text("utf-8"))


def test_base_image_is_pinned_and_names_no_host() -> None:
    (base,) = of("ARG", "")
    name, _, tag = base.removeprefix("BASE=").partition(":")
    assert "/" not in name
    assert re.fullmatch(r"3\.\d+-slim-\w+", tag), "a version of Python and of Debian"
    assert {each.split()[0] for each in of("FROM")} == {"${BASE}", "base"}


def test_default_image_does_not_run_as_root() -> None:
    assert list(stages())[-1] == "server"
    assert of("USER", "server") == ["1000:1000"]
    assert of("USER", "fly") == ["0:0"], "the entrypoint gives it up"


def test_entrypoint_is_tini_and_every_command_is_an_argument_list() -> None:
    (line,) = of("ENTRYPOINT")
    assert json.loads(line) == ["/usr/bin/tini", "--", "/usr/local/bin/opcode-htmx"]
    (health,) = of("HEALTHCHECK")
    command = json.loads(health.partition("CMD ")[2])
    assert command[-1].endswith("/healthcheck.py")
    assert of("CMD") == []


def test_everything_from_the_registries_is_checked_by_hash() -> None:
    installs = [each for run in of("RUN") for each in run.split("&&") if "pip install" in each]
    assert len(installs) == 3
    for each in installs:
        assert "--require-hashes" in each or ("--no-deps" in each and "--no-index" in each)
    assert of("ADD") == []
    assert [run for run in of("RUN") if re.search(r"\b(curl|wget)\b|://", run)] == []


def test_no_secret_is_in_an_argument_or_a_variable_of_the_image() -> None:
    named = [*of("ENV"), *of("ARG")]
    assert [each for each in named if re.search("PASSWORD|TOKEN|KEY|HASH|SECRET", each)] == []


def test_what_the_image_copies_exists_and_is_admitted_to_the_context() -> None:
    named = [each for copy in of("COPY") for each in sources(copy) if each != "."]
    assert len(named) >= 5
    assert [each for each in named if not (ROOT / each).exists() or not is_admitted(each)] == []


def test_the_context_has_what_a_wheel_is_built_from_and_no_secrets() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    needed = [
        *build["targets"]["sdist"]["only-include"],
        *build["targets"]["wheel"]["force-include"],
        *("pyproject.toml", "README.md", "LICENSE"),
    ]
    assert [each for each in needed if not is_admitted(each)] == []
    assert [each for each in (".git", ".env", ".venv", "tests", "dist") if is_admitted(each)] == []
    assert "*" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()


def test_entrypoint_can_be_executed() -> None:
    assert (DOCKER / "entrypoint.py").stat().st_mode & 0o111 == 0o111


def test_compose_confines_the_server() -> None:
    server = compose()["services"]["opcode"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert server["security_opt"] == ["no-new-privileges:true"]
    assert server["volumes"] == ["vol:/vol"]
    assert "ports" not in server, "only Caddy is reached from outside"
    assert (DOCKER / server["build"]["context"]).resolve() == ROOT
    assert (ROOT / server["build"]["dockerfile"]).is_file()


def test_compose_and_fly_set_variables_that_exist() -> None:
    in_compose = set(compose()["services"]["opcode"]["environment"])
    named = in_compose | set(fly()["env"]) | entrypoint.DEFAULTS.keys() | {"OPCODE_ALLOWED_HOSTS"}
    assert named - settings() - OF_OTHERS == set()


def test_secrets_that_fly_names_exist() -> None:
    text = FLY.read_text("utf-8")
    (listed,) = re.findall(r"# Secrets, by name.*?\n((?:#   .*\n)+)", text)
    names = set(re.findall(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+", listed))
    assert {"OPCODE_PASSWORD", "ANTHROPIC_API_KEY", "GITHUB_TOKEN"} <= names
    assert names - settings() - OF_OTHERS == set(entrypoint.WALL)


def test_caddyfile_reads_variables_that_compose_and_the_entrypoint_set() -> None:
    read = set(re.findall(r"\{\$([A-Z_]+)(?!.*:\})", (DOCKER / "Caddyfile").read_text("utf-8")))
    source = (DOCKER / "entrypoint.py").read_text("utf-8")
    assert {each for each in read if f'"{each}"' not in source} == set()
    optional = {"UPSTREAM_AUTHORIZATION", "TRUSTED_PROXIES"}
    assert read - set(compose()["services"]["caddy"]["environment"]) <= optional


@pytest.mark.usefixtures("integration")
@pytest.mark.parametrize("wall", ["", "_with_password"])
def test_caddy_understands_its_file_as_compose_calls_it(wall: str, tmp_path: Path) -> None:
    caddy = debian_programs.find("caddy")
    if caddy is None:
        missing(
            "caddy", f"install it (Debian: apt-get install {debian_programs.PACKAGES['caddy']})."
        )
        raise AssertionError
    environ = {
        "HOME": str(tmp_path),
        "CADDY_SITE": "opcode.example.com",
        "UPSTREAM": "opcode:8080",
        "WALL": wall,
        "CADDY_AUTH_USER": "me",
        "CADDY_AUTH_HASH": WALL_HASH,
    }
    command = [caddy, "adapt", "--adapter", "caddyfile", "--config", str(DOCKER / "Caddyfile")]
    made = subprocess.run(command, env=environ, check=True, capture_output=True, timeout=60).stdout
    assert json.loads(made)["admin"] == {"disabled": True}
    assert (b'"http_basic"' in made) == bool(wall)
    assert b"opcode.example.com" in made


def test_one_volume_holds_everything_that_stays() -> None:
    assert of("VOLUME") == ["/vol"]
    assert fly()["mounts"] == {"source": "ocweb_vol", "destination": "/vol"}
    kept = [value for value in entrypoint.DEFAULTS.values() if value.startswith("/")]
    home = re.search(r"HOME=(\S+)", " ".join(of("ENV")))
    assert home is not None
    assert [each for each in (*kept, home[1]) if not each.startswith("/vol/")] == []


def test_fly_keeps_its_machine_running_and_asks_for_its_health() -> None:
    service = fly()["http_service"]
    assert service["auto_stop_machines"] == "off"
    assert service["min_machines_running"] == 1
    assert [each["path"] for each in service["checks"]] == ["/healthz"]
    assert f"PORT={service['internal_port']}" in " ".join(of("ENV"))
    build = fly()["build"]
    assert (FLY.parent / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"
    assert build["build-target"] in stages()


@pytest.mark.parametrize("path", [FLY, *sorted(DOCKER.iterdir())], ids=lambda path: path.name)
def test_files_name_no_host_of_a_registry(path: Path) -> None:
    if path.is_file():
        assert re.findall(r"://|\b(?:docker|ghcr|quay|gcr)\.io\b", path.read_text("utf-8")) == []
