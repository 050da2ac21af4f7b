"""A support bundle holds no secret and no prompt, wherever they stand on this machine.

They are planted in the environment, in settings, files, histories, runs and the log; then the
unpacked bundle is searched, in every form in which a text can be written.
"""

from __future__ import annotations

import base64
import io
import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from opcode_htmx.config.settings import Settings
from opcode_htmx.sessions.health import hooks
from opcode_htmx.sessions.health.check import Check, Checker, Finding, Result, State
from opcode_htmx.sessions.support_bundle import bundle, parts
from opcode_htmx.sessions.support_bundle.scrubber import Scrubber
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import ROOT, Sandbox, free_port

RUN = "0123456789abcdef0123456789abcdef"
SESSION = "5e551000-0000-4000-8000-000000000001"
SECRETS = {
    "password": 'Pa55 "word"/ä-of-the-server',
    "kept_password": "kept-pass-word-grlmpf",
    "api_key": "sk-ant-api03-ABCDEFGHIJKLMNOPqrst",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "own_github": "a-token-that-looks-like-nothing",
    "other": "line-one-of-a-key\nline-two-of-a-key",
    "hook": "hook-token-xyzzy-98765",
    "helper": "proxy-user:proxy-pa55@proxy.example",
}
PROMPTS = {
    "prompt": "Please marry Zaphod to Trillian on Friday",
    "answer": "I have wedded them with a quokka",
    "instructions": "You are the registrar of Betelgeuse",
    "stderr": "cannot read the wedding register",
    "project": "wedding-of-trillian",
    "draft": "An unsent love letter",
}


def plant(sandbox: Sandbox) -> Mapping[str, str]:
    """Write the files; returns the environment of the server."""
    state, config = sandbox.state, sandbox.config_dir
    project = sandbox.project / PROMPTS["project"]
    project.mkdir()
    state.mkdir(mode=0o700, exist_ok=True)
    (state / "password").write_text(SECRETS["kept_password"] + "\n")
    (state / "password").chmod(0o600)
    _run(state, project)
    _draft(state)
    _log(state)
    history = config / "projects" / "-work" / f"{SESSION}.jsonl"
    history.parent.mkdir(parents=True)
    texts = (PROMPTS["prompt"], PROMPTS["answer"])
    history.write_text("".join(json.dumps({"type": "user", "message": t}) + "\n" for t in texts))
    hook = {
        "type": "command",
        "command": f"TOKEN={SECRETS['hook']} /nowhere/send {PROMPTS['prompt']}",
    }
    missing = {"type": "command", "command": f"/nowhere/send --key {SECRETS['hook']}"}
    (config / "settings.json").write_text(
        json.dumps(
            {
                "env": {"ANTHROPIC_API_KEY": SECRETS["api_key"]},
                "hooks": {"Stop": [{"hooks": [hook, missing]}]},
            }
        )
    )
    return {
        **sandbox.environment(),
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "ANTHROPIC_API_KEY": SECRETS["api_key"],
        "GITHUB_TOKEN": SECRETS["github"],
        "OPCODE_GITHUB_TOKEN": SECRETS["own_github"],
        "OPCODE_PASSWORD": SECRETS["password"],
        "OPCODE_STATE_DIR": str(state),
        "OPCODE_PROJECT_ROOTS": str(project),
        "OPCODE_PASSWROD": SECRETS["password"],
        "SOME_PRIVATE_KEY": SECRETS["other"],
        "HTTPS_PROXY": f"http://{SECRETS['helper']}:3128",
        "OPCODE_DEMO": "1",
    }


def _run(state: Path, project: Path) -> None:
    folder = state / "runs" / RUN
    folder.mkdir(parents=True)
    record = {
        "version": 2,
        "id": RUN,
        "session_id": SESSION,
        "project_path": str(project),
        "argv": [
            "claude",
            "--append-system-prompt",
            PROMPTS["instructions"],
            "--x",
            SECRETS["hook"],
        ],
        "created_at": 1.0,
        "history_start": 0,
        "pid": 7,
        "process_started_at": 1.0,
        "end": {
            "outcome": "failed",
            "at": 2.0,
            "cause": "Claude ended with exit status 1.",
            "exit_status": 1,
            "history_end": 0,
            "stderr": [PROMPTS["stderr"], SECRETS["api_key"]],
        },
        "config_dir": "",
    }
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "in.ndjson").write_text(json.dumps(PROMPTS["prompt"]))
    (folder / "out.ndjson").write_text(json.dumps(PROMPTS["answer"]))
    (folder / "err.log").write_text(PROMPTS["stderr"])
    (state / "runs" / ("f" * 32)).mkdir()
    (state / "runs" / ("f" * 32) / "run.json").write_text(f'{{"version": "{PROMPTS["prompt"]}"')


def _draft(state: Path) -> None:
    folder = state / "drafts" / PROMPTS["draft"]
    folder.mkdir(parents=True)
    (folder / "draft.json").write_text(json.dumps({"text": PROMPTS["draft"]}))
    (state / PROMPTS["draft"]).touch()


def _log(state: Path) -> None:
    """As a library might, which knows nothing of what the server keeps out of its log."""
    lines = [
        {"message": f"asked with {SECRETS['password']} and {SECRETS['own_github']}"},
        {"message": f"GET https://{SECRETS['helper']}/x, {SECRETS['api_key']}"},
        {"message": f"key: {SECRETS['other']}", "prompt": PROMPTS["prompt"]},
        {"message": "failed", "error": f"ValueError: {PROMPTS['prompt']}\n  {PROMPTS['answer']}"},
        {"message": f"kept {quote(SECRETS['password'], safe='')} {SECRETS['kept_password']}"},
    ]
    (state / "logs").mkdir()
    (state / "logs" / "current.ndjson").write_text("".join(json.dumps(x) + "\n" for x in lines))


def unpacked(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert all(each.external_attr >> 16 == 0o600 for each in archive.infolist())
        return {
            each.removeprefix("opcode-htmx-support/"): archive.read(each).decode()
            for each in archive.namelist()
        }


def forms(text: str) -> set[str]:
    found = {text, *text.split("\n")}
    found |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    found |= {quote(text), quote(text, safe=""), repr(text)[1:-1]}
    return found | {base64.b64encode(text.encode()).decode(), text.encode().hex()}


def leaks(texts: Mapping[str, str], home: Path) -> list[tuple[str, str]]:
    wanted = {
        form: name
        for name, text in {**SECRETS, **PROMPTS, "home": str(home)}.items()
        for form in forms(text)
    }
    return [
        (name, what)
        for name, text in texts.items()
        for form, what in wanted.items()
        if form in text
    ]


@pytest.mark.usefixtures("integration")
def test_the_bundle_of_the_command_line_holds_no_secret_and_no_prompt(
    sandbox: Sandbox, stand_in: Path, tmp_path: Path
) -> None:
    environ = {**plant(sandbox), "CLAUDE_PATH": str(stand_in)}
    target = tmp_path / "bundle.zip"
    command = [sys.executable, "-m", "opcode_htmx", "support-bundle", str(target)]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    texts = unpacked(target.read_bytes())
    assert leaks(texts, sandbox.home) == []
    assert leaks({"stdout": done.stdout}, sandbox.home) == []
    # and what helps is there
    assert set(texts) == {
        *("README.txt", "checks.json", "versions.json", "settings.json", "runs.json"),
        *("state.json", "log.ndjson"),
    }
    run = next(each for each in json.loads(texts["runs.json"]) if each["id"] == RUN)
    assert (run["session"], run["end"]["exit_status"]) == (SESSION, 1)
    settings = json.loads(texts["settings.json"])
    assert settings["unknown_names"] == ["OPCODE_PASSWROD"]
    assert settings["settings"]["PORT"] == int(environ["PORT"])
    assert settings["settings"]["OPCODE_PROJECT_ROOTS"] == parts.SET
    assert settings["settings"]["OPCODE_LOG_LEVEL"] == "info"
    assert settings["settings"]["OPCODE_PERMISSION_MODE"] == parts.NOT_SET
    assert "/nowhere/send was not found" in texts["checks.json"]
    assert len(texts["log.ndjson"].splitlines()) == 5
    again = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert unpacked(target.read_bytes()) == texts


def test_the_bundle_of_the_page_holds_no_secret_and_no_prompt(
    integration: None, sandbox: Sandbox, stand_in: Path
) -> None:
    given: dict[str, Any] = {
        name: value
        for name, value in plant(sandbox).items()
        if name.startswith(("OPCODE_", "ANTHROPIC", "GITHUB", "SOME", "HTTPS"))
        and name not in ("OPCODE_PASSWORD", "OPCODE_PASSWROD", "OPCODE_DEMO")
    }
    given["DATABASE_PASSWORD"] = SECRETS["password"]  # the server's own is that of the tests
    with app_of(sandbox, stand_in, **given) as app:
        client = client_of(app)
        first = client.get("/health/support-bundle")
        assert first.mimetype == "application/zip"
        assert first.headers["Content-Disposition"].startswith("attachment; filename=opcode-htmx-")
        assert json.loads(unpacked(first.data)["checks.json"]) == {"at": None, "checks": []}
        client.post("/health/check")
        texts = unpacked(client.get("/health/support-bundle").data)
    assert leaks(texts, sandbox.home) == []
    assert "for-the-tests" not in "".join(texts.values())
    assert len(json.loads(texts["checks.json"])["checks"]) > 10


def test_a_secret_is_hidden_in_each_form_and_before_its_parts(tmp_path: Path) -> None:
    settings = Settings.from_env(
        {"HOME": str(tmp_path), "OPCODE_PASSWORD": "swordfish", "A_TOKEN": "swordfish-and-more"}
    )
    scrubber = Scrubber(settings)
    assert scrubber.scrub("x swordfish-and-more y swordfish") == "x ******** y ********"
    assert scrubber.scrub(f"{tmp_path}/a {tmp_path}er {tmp_path}") == f"~/a {tmp_path}er ~"
    assert scrubber.scrub("https://u:p@host/ sk-ant-api03-ABCDEFGHIJKLMNOPqrst") == (
        "https://********@host/ ********"
    )


def test_a_short_password_hides_nothing_else(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "OPCODE_PASSWORD": "at"}
    assert Scrubber(Settings.from_env(environ)).scrub("attach") == "attach"


def test_the_checks_quote_no_command_of_a_hook(sandbox: Sandbox) -> None:
    environ = plant(sandbox)
    found = hooks.hooks(Settings.from_env(environ))
    assert found.state is State.WARNING
    assert SECRETS["hook"] not in repr(found)
    assert PROMPTS["prompt"] not in repr(found)


def test_a_check_that_fails_on_a_secret_does_not_say_it(tmp_path: Path) -> None:
    def fails() -> Finding:
        raise ValueError(SECRETS["hook"])

    results: tuple[Result, ...] = Checker().run([Check("a", "A", fails)])
    settings = Settings.from_env({"HOME": str(tmp_path)})
    texts = unpacked(bundle.make(settings, [], results, 0.0))
    assert SECRETS["hook"] not in "".join(texts.values())
