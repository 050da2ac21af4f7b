"""Claude's system notices: compaction, retries, limits with their ends, hooks."""

from __future__ import annotations

from typing import Any

import pytest

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.messages import SystemEvent
from opcode_htmx.transcript.blocks import NoticeBlock
from opcode_htmx.transcript.parts.notices import Notice, notice, split_end_time
from tests.support.cli.captured import fold, line

RESET = 1_795_300_000


def of(subtype: str, **raw: Any) -> Notice | None:
    return notice(SystemEvent(subtype, "u", raw))


def text_of(subtype: str, **raw: Any) -> str:
    found = of(subtype, **raw)
    assert found is not None
    return found.text


def limit(**info: Any) -> Notice | None:
    return of("rate_limit_event", rate_limit_info=info)


@pytest.mark.parametrize(
    "subtype", ["", "init", "status", "hook_started", "task_progress", "vcs_state_changed"]
)
def test_information_on_cards_or_in_the_status_line_yields_no_notice(subtype: str) -> None:
    assert of(subtype, content="a") is None


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({}, "The conversation so far was compacted."),
        ({"compact_metadata": 7}, "The conversation so far was compacted."),
        (
            {"compact_metadata": {"pre_tokens": 14430, "post_tokens": 2647}},
            "The conversation so far was compacted, from 14,430 tokens to 2,647.",
        ),
        (
            {"compactMetadata": {"preTokens": 14430}},
            "The conversation so far was compacted, from 14,430 tokens.",
        ),
    ],
)
def test_a_compaction_says_how_much_it_took_away(raw: dict[str, Any], sentence: str) -> None:
    assert text_of("compact_boundary", **raw) == sentence


@pytest.mark.parametrize(
    ("subtype", "raw", "sentence"),
    [
        (
            "api_retry",
            {"attempt": 2, "max_retries": 10, "error_status": 529},
            "The API answered with status 529; Claude tries again (attempt 2 of 10).",
        ),
        (
            "api_error",
            {"retryAttempt": 3, "maxRetries": 10, "error": {"status": 500}},
            "The API answered with status 500; Claude tries again (attempt 3 of 10).",
        ),
        (
            "api_retry",
            {"attempt": {"a": 1}, "error": "overloaded"},
            "The API did not answer as it should; Claude tries again.",
        ),
    ],
)
def test_a_retry_says_why_and_which_it_is(subtype: str, raw: dict[str, Any], sentence: str) -> None:
    assert text_of(subtype, **raw) == sentence


def test_a_limit_that_is_reached_says_when_it_ends() -> None:
    found = limit(status="rejected", rateLimitType="five_hour", resetsAt=RESET)
    assert found is not None
    assert (found.text, found.until) == ("The 5-hour limit is reached.", RESET)


def test_a_limit_that_is_near_says_how_near() -> None:
    found = limit(status="allowed_warning", rateLimitType="seven_day", utilization=0.83)
    assert found is not None
    assert (found.text, found.until) == ("83% of the weekly limit is used.", None)


def test_soft_limit_notice_says_that_claude_goes_on() -> None:
    found = limit(status="rejected", rateLimitType="of_next_year", isUsingOverage=True)
    assert found is not None
    assert found.text == "The usage limit is reached; Claude goes on with extra usage."


def test_a_limit_that_is_far_away_is_no_notice() -> None:
    assert limit(status="allowed", rateLimitType="five_hour", resetsAt=RESET) is None
    assert of("rate_limit_event") is None
    assert of("rate_limit_event", rate_limit_info=[7]) is None


@pytest.mark.parametrize("ends", [None, "soon", -1, 0, 10**30, float("inf"), float("nan"), True])
def test_unrepresentable_end_time_is_omitted(ends: object) -> None:
    found = limit(status="rejected", resetsAt=ends, utilization=ends)
    assert found is not None
    assert found.until in (None, 1.0)


@pytest.mark.parametrize(
    ("raw", "text", "detail"),
    [
        ({"outcome": "success", "output": "hello\n"}, "Hook SessionStart:startup", "hello"),
        (
            {"outcome": "error", "exit_code": 2, "stdout": "a", "stderr": "b"},
            "The hook SessionStart:startup failed with status 2.",
            "a\nb",
        ),
        ({"outcome": "cancelled"}, "The hook SessionStart:startup was cancelled.", ""),
    ],
)
def test_hook_notice_states_its_outcome(raw: dict[str, Any], text: str, detail: str) -> None:
    found = of("hook_response", hook_name="SessionStart:startup", **raw)
    assert found is not None
    assert (found.text, found.detail) == (text, detail)


def test_hook_renders_the_same_from_history_and_live() -> None:
    about = {"type": "hook_success", "hookEvent": "SessionStart", "hookName": "SessionStart:resume"}
    event = parser.parse(line(type="attachment", uuid="u", attachment={**about, "stdout": "hi\n"}))
    assert isinstance(event, SystemEvent)
    assert notice(event) == Notice(text="Hook SessionStart:resume", detail="hi")
    quiet = {**about, "hookEvent": "Stop"}
    assert not isinstance(parser.parse(line(type="attachment", attachment=quiet)), SystemEvent)


def test_retries_that_follow_each_other_are_one_notice() -> None:
    lines = [
        line(type="system", subtype="api_retry", attempt=number, uuid=f"u{number}")
        for number in (1, 2, 3)
    ]
    transcript = fold((*lines, line(type="conversation_reset", uuid="u4"), lines[0]), run_id="r")
    retry = "The API did not answer as it should; Claude tries again (attempt {})."
    texts = [block.text for block in transcript.blocks if isinstance(block, NoticeBlock)]
    assert texts[0] == retry.format(3)
    assert len(texts) == 2


def test_silent_hook_yields_no_notice() -> None:
    assert of("hook_response", hook_name="Stop", outcome="success", output=" \n") is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"content": " It rains. "}, "It rains."),
        ({"content": [1]}, "of next year"),
        ({}, "of next year"),
    ],
)
def test_unknown_line_is_shown_verbatim(raw: dict[str, Any], text: str) -> None:
    assert text_of("of_next_year", **raw) == text


def test_an_error_may_carry_the_time_at_which_a_limit_ends() -> None:
    assert split_end_time(f"Claude AI usage limit reached|{RESET}") == (
        "Claude AI usage limit reached.",
        RESET,
    )
    assert split_end_time("a|b") == ("a|b", None)


def test_a_pull_request_that_claude_opened_is_shown_with_its_address() -> None:
    raw = {"provider": "github", "repo": "a/b", "identifier": "7", "action": "created"}
    found = of("code_change_published", url="https://github.com/a/b/pull/7", **raw)
    assert found is not None
    assert found.text == "A pull request was opened: a/b 7 https://github.com/a/b/pull/7"
    assert found.pull_request == "https://github.com/a/b/pull/7"


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "https://a.b/c d", "https://me@a.b/c", "//a.b/c", 7]
)
def test_an_address_that_is_none_yields_no_notice(url: object) -> None:
    assert of("code_change_published", url=url, action="created") is None


@pytest.mark.parametrize(
    "url", ["https://gitlab.com/a/b/-/merge_requests/7", "https://github.com/a/b/issues/7"]
)
def test_only_of_a_pull_request_at_github_can_the_state_be_asked_for(url: str) -> None:
    found = of("code_change_published", url=url, action="created")
    assert found
    assert found.pull_request == ""
    assert found.text.endswith(url)
