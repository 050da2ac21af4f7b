"""What the tester says about a tool call is what the real CLI does with it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.permissions import rulebook, shell
from opcode_htmx.engines.claude.permissions.decision import decide
from opcode_htmx.engines.claude.permissions.rulebook import (
    Decision,
    Outcome,
    PlacedRule,
    Situation,
)
from opcode_htmx.engines.claude.permissions.rules import (
    Behavior,
    InvalidRule,
    check,
    in_words,
)
from tests.support.cli.permission_witness import Call, witness
from tests.support.environment import Sandbox

pytestmark = pytest.mark.timeout(180)

USER = {
    "allow": ["Bash(npm run:*)", "Bash(make test)", "Bash(* --version)", "Edit(out/**)"],
    "ask": ["Bash(git push:*)", "Edit(out/asked)"],
    "deny": ["Bash(rm:*)", "Read(.env)", "Read(/u.txt)", "WebFetch(domain:*.bad.test)"],
}
PROJECT = {"allow": ["Bash(git:*)", "Bash(touch:*)"], "deny": ["Edit(/gen/**)"]}
LOCAL = {"ask": ["Bash(make test)", "WebFetch(domain:ask.test)"], "allow": ["Bash(rm:*)"]}

COMMANDS = (
    "npm run",
    "npm run a && npm run b",
    "npm run a; whoami",
    "npm run a\nnpm run b",
    "npm run a | wc -l",
    "npm run a | tee x",
    "npm run a || rm x",
    "npm runx",
    "npm run a & npm run b",
    "npm run 'a; rm x'",
    "npm run a # rm x",
    "npm run $(rm x)",
    "npm run $(date)",
    "npm run $X",
    "npm run <<EOF\nrm x\nEOF",
    "(npm run a)",
    "for i in 1 2; do npm run a; done",
    "timeout 3 npm run a",
    "FOO=1 npm run a",
    "LANG=C npm run a",
    "/usr/bin/npm run a",
    "sudo rm x",
    "FOO=1 rm x",
    "/bin/rm x",
    '"rm" x',
    "cat <(rm x)",
    "bash -c 'rm x'",
    "npm run > out/z",
    "npm run > z",
    "npm run 2>&1 > /dev/null",
    "echo x > gen/y",
    "touch gen/y",
    "touch /opt/elsewhere",
    "cat .env",
    "cat < deep/.env",
    "cp .env q",
    "cat a.txt",
    "cat /etc/hostname",
    "make test",
    "make",
    "xyz --version",
    "git push origin",
    "git status && git push",
    "cd src && npm run a",
    "find . -name x",
    "find . -delete",
    "sort -o q a.txt",
    "sed -i s/a/b/ a.txt",
    "mkdir d",
)
SOME = (
    "npm run a && npm run b",
    "npm run $(date)",
    "rm x",
    "git push",
    "make",
    "npm run > z",
    "mkdir d",
    "cat a.txt",
)
"""Those that are tried in every mode, where what is allowed happens."""
FILES = (
    ("Read", "a.txt"),
    ("Read", "deep/.env"),
    ("Read", "~/claude-config/u.txt"),
    ("Read", "u.txt"),
    ("Read", "/etc/hostname"),
    ("Write", "n.txt"),
    ("Write", "out/n"),
    ("Write", "out/asked"),
    ("Write", "gen/n"),
    ("Write", ".git/n"),
    ("Write", "~/n"),
    ("Write", "deep/.env"),
)
ADDRESSES = ("http://a.bad.test/", "http://ask.test/x", "http://other.test/")


MODES = ("default", "acceptEdits", "dontAsk", "bypassPermissions", "auto")
FILES_OF_THE_PROJECT = ("a.txt", ".env", "src/b", "deep/.env", "u.txt", "x")


def test_what_is_said_about_a_call_is_what_the_cli_does(
    tmp_path: Path, integration: None, claude: Path
) -> None:
    sandbox = Sandbox(tmp_path / "home").make()
    (sandbox.config_dir / "u.txt").write_text("x\n")
    rules = list(written_rules(sandbox))
    with witness(claude, sandbox) as cli:
        for mode in MODES:
            fill(sandbox.project)
            situation = Situation(
                rules, mode, str(sandbox.project), str(sandbox.home), (str(sandbox.project),)
            )
            said, asked = what_is_said(situation)
            done = cli.decisions(asked, mode)
            ours = {name: str(each.outcome) for name, each in said.items()}
            assert ours == dict(zip(said, done, strict=True)), mode


def written_rules(sandbox: Sandbox) -> Iterator[PlacedRule]:
    """The rules, as they are written to the files of each scope."""
    project = sandbox.project
    for scope, path, permissions in (
        ("user", sandbox.config_dir / "settings.json", USER),
        ("project", project / ".claude/settings.json", PROJECT),
        ("local", project / ".claude/settings.local.json", LOCAL),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"permissions": permissions}))
        root = str(sandbox.config_dir if scope == "user" else project)
        for behavior, texts in permissions.items():
            yield from (PlacedRule(Behavior(behavior), text, scope, root) for text in texts)


def fill(project: Path) -> None:
    """Without what the calls of another mode have made."""
    for path in project.iterdir():
        if path.name == ".claude":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for file in FILES_OF_THE_PROJECT:
        (project / file).parent.mkdir(exist_ok=True)
        (project / file).write_text("x\n")


def what_is_said(situation: Situation) -> tuple[dict[str, Decision], list[Call]]:
    """What the tester says about each call in a mode, and the calls themselves."""
    is_default, home = situation.mode == "default", situation.home
    commands = COMMANDS if is_default else SOME
    asked: list[Call] = [("Bash", {"command": each, "description": "x"}) for each in commands]
    said = {each: decide("Bash", each, situation) for each in commands}
    for tool, name in FILES if is_default else FILES[3:-1]:
        where = name.replace("~", home) if name[0] in "~/" else f"{situation.folder}/{name}"
        given = {"file_path": where} if tool == "Read" else {"file_path": where, "content": "x"}
        asked.append((tool, given))
        said[f"{tool} {name}"] = decide(tool, where, situation)
    # what is allowed would be fetched
    for address in ADDRESSES if is_default else ():
        asked.append(("WebFetch", {"url": address, "prompt": "x"}))
        said[address] = decide("WebFetch", address, situation)
    return said, asked


def test_deciding_rule_is_named_with_its_scope() -> None:
    rules = [
        PlacedRule(Behavior.ALLOW, "Bash(git:*)", "local"),
        PlacedRule(Behavior.ASK, "Bash(git push:*)", "user"),
        PlacedRule(Behavior.ALLOW, "mcp__github", "user"),
        PlacedRule(Behavior.DENY, "mcp__github__delete", "managed"),
    ]
    situation = Situation(rules, "default", "/p", "/h", ("/p",))

    def rule(tool: str, subject: str = "") -> PlacedRule | None:
        return decide(tool, subject, situation).rule

    assert rule("Bash", "git push") == rules[1]
    assert rule("Bash", "git commit") == rules[0]
    assert rule("mcp__github__create") == rules[2]
    assert rule("mcp__github__delete") == rules[3]
    assert rule("mcp__githubber__create") is None
    assert rule("Bash", "make") is None


def test_removal_of_a_home_folder_is_asked_for_whatever_is_allowed() -> None:
    rules = [PlacedRule(Behavior.ALLOW, "Bash", "user")]
    situation = Situation(rules, "default", "/p", "/h", ("/p",))
    assert decide("Bash", "rm -rf ~", situation).outcome == "asked"
    assert decide("Bash", "rm -rf build", situation).outcome == "allowed"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bash(git push:*)", "Any command that begins with git push"),
        ("Bash(npm run *)", "Any command that begins with npm run"),
        ("Bash(* --version)", "Any command of the form * --version"),
        ("Bash(npm test)", "The command npm test"),
        ("Bash", "Any command"),
        ("Read(.env)", "Reading .env"),
        ("Edit(src/**)", "Editing everything in src"),
        ("Read(//etc/**)", "Reading everything in /etc"),
        ("mcp__x", "Every tool of the MCP server x"),
        ("mcp__x__*", "Every tool of the MCP server x"),
        ("mcp__x__make", "The tool make of the MCP server x"),
        ("WebFetch(domain:example.com)", "Fetching from example.com"),
        ("WebSearch", "Searching the web"),
        ("Bash(", "A rule that Claude may not understand"),
    ],
)
def test_rule_is_said_in_words(text: str, words: str) -> None:
    assert str(in_words(text)) == words


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Type a rule"),
        ("bash(ls)", "begin with a capital letter"),
        ("Bash(ls", "in parentheses"),
        ("Write(src/**)", "only in a rule about Edit"),
        ("WebFetch(example.com)", "names a domain"),
        ("mcp__x(y)", "nothing in parentheses"),
        ("Bash(a:*b)", "at the end of a command only"),
        ("Bash(a\nb)", "one line"),
        ("Bash(ls) x", "in parentheses"),
        ("B" * 3000, "at most 2,000"),
    ],
)
def test_rule_that_would_do_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidRule, match=reason):
        check(text)


def test_hostile_commands_and_patterns_take_bounded_time() -> None:
    rules = [
        PlacedRule(Behavior.DENY, f"Bash({'*a' * 200})", "project"),
        PlacedRule(Behavior.DENY, f"Read({'**/a*' * 200})", "project"),
    ]
    situation = Situation(rules, "default", "/p", "/h", ("/p",))
    decide("Bash", "a" * 2000 + "b", situation)
    decide("Read", "/p/" + "a/" * 1000 + "b", situation)
    for text in ("$(" * 5000, "`" * 9999, '"$(' * 3000, "<<a\n" * 2000, "${" * 5000, "(" * 9000):
        assert shell.split(text).doubts


def test_longest_hostile_rules_and_commands_take_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(rules: list[str], tool: str, subject: str) -> float:
        placed = [PlacedRule(Behavior.DENY, each, "project") for each in rules]
        situation = Situation(placed, "default", "/p", "/h", ("/p",))
        begun = time.thread_time()
        assert decide(tool, subject, situation).outcome is Outcome.ASKED
        return time.thread_time() - begun

    stars = f"Bash({'*a' * 900}b)"
    assert seconds([stars], "Bash", "a" * 10_000) < 1
    assert seconds([stars], "Bash", "sudo " * 2000) < 1
    assert seconds([f"Read(//**/{'*a*' * 600}b)"], "Read", "/" + "a" * 9000) < 1
    # as many of them as a file holds: it gives up
    assert rulebook.SECONDS < 8
    monkeypatch.setattr(rulebook, "SECONDS", 0.2)
    assert seconds([f"Bash({'*a' * 450}b{n})" for n in range(1000)], "Bash", "a" * 10_000) < 1
