"""The fields of an agent, and the documents that it comes from: what is hostile is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opcode_htmx.engines.claude.permissions.limits import Level, Limits
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.features.agents import serialization
from opcode_htmx.features.agents.exchange import document, subagents
from opcode_htmx.features.agents.model import Agent, AgentRefused

PRUNER: dict[str, Any] = {"name": "Pruner", "icon": "bot", "system_prompt": "Prune."}


def exported(version: object = 1, **fields: object) -> str:
    return json.dumps({"version": version, "exported_at": "x", "agent": {**PRUNER, **fields}})


def hook(**changes: object) -> str:
    found = {"type": "command", "command": "true", **changes}
    return json.dumps({"Stop": [{"hooks": [found]}]})


def test_an_export_of_the_reference_is_read_and_its_unknown_keys_are_kept() -> None:
    hooks = '{"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}'
    agent = document.loaded(exported(model="opus", hooks=hooks, tags=["a"], default_task=None))
    assert (agent.name, agent.model, agent.default_task) == ("Pruner", "opus", "")
    assert (agent.may_read_files, agent.may_write_files, agent.may_use_network) == (
        True,
        True,
        False,
    )
    assert agent.hooks["Stop"][0]["hooks"][0]["command"] == "true"
    again = document.exported(agent, 0.0)
    assert again["version"] == 1
    assert again["agent"]["tags"] == ["a"]
    assert json.loads(again["agent"]["hooks"]) == agent.hooks
    assert document.loaded(json.dumps(again)) == agent


def test_what_is_beyond_the_document_stands_under_our_own_key() -> None:
    agent = Agent(
        **PRUNER, may_write_files=False, denied_tools=("Bash(rm:*)",), permission_mode="plan"
    )
    shown = document.exported(agent, 0.0)["agent"]
    assert set(shown) == {*serialization._FIELDS, serialization.OWN_KEY}
    shown[serialization.OWN_KEY]["later"] = {"x": 1}
    read = serialization.of_document(shown)
    assert (read.may_write_files, read.denied_tools) == (False, ("Bash(rm:*)",))
    assert serialization.as_document(read)[serialization.OWN_KEY]["later"] == {"x": 1}


HOSTILE: list[tuple[bytes | str, str]] = [
    (b"x" * (serialization.MOST_BYTES + 1), "at most"),
    (b"\xff\xfe", "UTF-8"),
    ("[" * 50 + "]" * 50, "deeper"),
    ("[" + "1," * 30_000 + "1]", "values"),
    ("{}", "version"),
    (exported(2), "version 1"),
    (exported(True), "version 1"),
    (exported("1"), "version 1"),
    (json.dumps({"version": 1, "agent": []}), "object"),
    (exported(name=""), "name"),
    (exported(name="a\u202eb"), "direction"),
    (exported(name="a\u2066b"), "direction"),
    (exported(name="a\u200bb"), "cannot be seen"),
    (exported(name="a" * 81), "80"),
    (exported(name=["a"]), "must be a text"),
    (exported(icon="<svg>"), "icons"),
    (exported(model="--x"), "model"),
    (exported(system_prompt=" "), "system prompt"),
    (exported(system_prompt="a\x1b[2J"), "control character"),
    (exported(hooks="{"), "JSON"),
    (exported(hooks='{"Stop": {}}'), "list for each event"),
    (exported(hooks='{"Stop": [{"hooks": ["x"]}]}'), "type"),
    (exported(hooks='{"Stop": [{"hooks": "x"}]}'), "type"),
    (exported(hooks='{"Stopp": []}'), "no event"),
    (exported(hooks=hook(type="shell")), "one of command, http"),
    (exported(hooks=hook(command=1)), "a text “command”"),
    (exported(hooks=hook(timeout=0)), "above 0"),
    (exported(hooks=hook(timeout="9")), "above 0"),
    (exported(hooks=hook(timeout=float("nan"))), "NaN"),
    (exported(hooks=hook(timeout=9).replace("9", "1e999")), "NaN"),
    (exported(hooks=hook(command="\ud800")), "half of a character"),
    (exported(tags=["\ud800"]), "half of a character"),
    (exported(tags=[float("inf")]), "NaN"),
    (exported(opcode_htmx=[]), "object"),
    (exported(opcode_htmx={"may_write_files": "no"}), "true or false"),
    (exported(opcode_htmx={"allowed_tools": "Bash"}), "list of texts"),
    (exported(opcode_htmx={"allowed_tools": ["bash"]}), "capital letter"),
    (exported(opcode_htmx={"permission_mode": "all"}), "modes"),
    (exported(opcode_htmx={"folders": ["../x"]}), "begins with"),
    (exported(opcode_htmx={"closed_paths": ["a\nb"]}), "one line"),
    (exported(opcode_htmx={"closed_paths": ["../x"]}), "has no part"),
    (exported(opcode_htmx={"closed_paths": ["/srv/../x"]}), "has no part"),
    (exported(opcode_htmx={"closed_paths": ["!x"]}), "does not begin"),
    (exported(opcode_htmx={"closed_paths": ["#x"]}), "does not begin"),
]


def refusal(content: bytes | str) -> str:
    """Why the document is refused, empty if it is taken."""
    try:
        document.loaded(content)
    except AgentRefused as error:
        return str(error)
    return ""


def test_hostile_documents_are_refused_with_a_sentence() -> None:
    said = [(content[:200], words, refusal(content)) for content, words in HOSTILE]
    assert [each for each in said if each[1] not in each[2]] == []


def test_a_settings_file_has_no_number_that_json_has_not_got() -> None:
    assert argv.profile_settings({"hooks": {}}, allow_bypass=True)
    with pytest.raises(ValueError, match="JSON"):
        argv.profile_settings({"x": float("nan")}, allow_bypass=True)


def test_subagents_become_agents_and_back() -> None:
    text = (
        "---\nname: code-reviewer\ndescription: Reviews\ntools: Read, Grep\nmodel: opus\n---\nR.\n"
    )
    agent = subagents.of_text(text)
    assert (agent.name, agent.model, agent.system_prompt) == ("code-reviewer", "opus", "R.")
    assert {"Bash", "Write", "WebFetch"} <= set(agent.denied_tools)
    assert not (agent.may_write_files or agent.may_use_network)
    back = subagents.as_text(agent)
    assert "name: code-reviewer\n" in back
    assert "tools: Grep, Read\n" in back
    assert back.endswith("---\nR.\n")
    assert subagents.of_text(back).denied_tools == agent.denied_tools
    without = "---\nname: a\ntools: Read, Bash\ndisallowedTools: Bash, mcp__github\n---\nR.\n"
    assert {"Bash", "Edit", "mcp__github"} <= set(subagents.of_text(without).denied_tools)
    with pytest.raises(AgentRefused, match="no subagent"):
        subagents.of_text("# Notes")


@pytest.mark.parametrize("tools", ["[]", "''", "[5]", "[[Edit]]", '"Edits"'])
def test_a_list_of_no_known_tools_does_not_become_all_of_them(tools: str) -> None:
    agent = subagents.of_text(f"---\nname: a\ntools: {tools}\n---\nR.\n")
    assert set(subagents.BUILT_IN) <= set(agent.denied_tools)
    assert not agent.may_write_files


@pytest.mark.parametrize("tools", ["", " '*'", " ['*']"])
def test_a_subagent_without_a_list_of_tools_has_all(tools: str) -> None:
    agent = subagents.of_text(f"---\nname: a\ntools:{tools}\n---\nR.\n")
    assert (agent.denied_tools, agent.may_write_files) == ((), True)


@pytest.mark.parametrize("field", ["tools", "disallowedTools"])
@pytest.mark.parametrize("value", ["{Read: true}", "5", "true"])
def test_tools_of_an_odd_type_are_refused(field: str, value: str) -> None:
    with pytest.raises(AgentRefused, match="neither a text nor a list"):
        subagents.of_text(f"---\nname: a\n{field}: {value}\n---\nR.\n")


def test_an_agent_that_may_do_everything_lists_no_tools() -> None:
    everything = subagents.as_text(Agent(**PRUNER, may_use_network=True))
    assert "tools:" not in everything


def test_limits_deny_what_is_off_and_say_so() -> None:
    reads = Limits(may_write=False, may_use_network=False)
    found = reads.permissions()
    assert {"Write", "Edit", "NotebookEdit", "Bash", "WebFetch", "WebSearch"} <= set(found["deny"])
    assert "ask" not in found
    levels = {each.subject: each.level for each in reads.enforced()}
    assert levels["Commands"] is levels["MCP servers"] is Level.DENIED
    assert levels["Reading files"] is Level.OPEN

    offline = Limits(may_use_network=False)
    assert "Bash" in offline.permissions()["ask"]
    assert "Bash(curl:*)" in offline.permissions()["deny"]
    assert "Bash" not in offline.permissions()["deny"]
    with_tests = Limits(may_use_network=False, allowed=("Bash(npm test)", "mcp__github"))
    assert with_tests.permissions()["ask"] == ["PowerShell", "Monitor"]
    (network,) = [each for each in with_tests.enforced() if each.subject == "Network"]
    assert network.level is Level.OPEN
    assert network.detail.endswith("allow runs, and could use the network.")
    assert not with_tests.without_servers
    assert Limits().permissions() == {}
    assert not Limits().without_servers


def test_closed_paths_are_spelled_as_rules_read_them() -> None:
    found = Limits(closed=("/srv/a (b)/", "~/.ssh", "*.pem")).permissions()["deny"]
    assert found == [
        *("Read(//srv/a \\(b\\))", "Edit(//srv/a \\(b\\))"),
        *("Read(//srv/a \\(b\\)/**)", "Edit(//srv/a \\(b\\)/**)"),
        *("Read(~/.ssh)", "Edit(~/.ssh)", "Read(~/.ssh/**)", "Edit(~/.ssh/**)"),
        *("Read(*.pem)", "Edit(*.pem)", "Read(*.pem/**)", "Edit(*.pem/**)"),
    ]
