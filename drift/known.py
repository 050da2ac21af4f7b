"""The known names in Claude's lines: those that this code reads, and those that it ignores.

To extend it: a name that the code reads goes into READ, and a test looks for it among the strings
of the package. A name that was reviewed and is not needed goes into IGNORED, under the reason. The
fields of a type in IGNORED are not checked, nor the inputs of such a tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drift.names import (
    ATTACHMENT,
    BLOCK,
    DELTA,
    EVENT,
    FIELD,
    HISTORY,
    REQUEST,
    STDOUT,
    SYSTEM,
    TOOL,
    Name,
)

READ: Mapping[str, str] = {
    STDOUT: """assistant command_lifecycle control_cancel_request control_request control_response
        conversation_reset rate_limit_event result stream_event system user""",
    HISTORY: "assistant attachment cost-state last-prompt system user",
    SYSTEM: """api_error api_retry away_summary background_tasks_changed bridge_state
        compact_boundary files_persisted hook_progress hook_response hook_started init local_command
        post_turn_summary session_state_changed session_title_changed status stop_hook_summary
        task_notification task_progress task_started task_updated thinking_tokens turn_duration""",
    ATTACHMENT: "hook_success queued_command",
    EVENT: "content_block_delta content_block_start content_block_stop message_start",
    DELTA: "text_delta thinking_delta",
    BLOCK: "image text thinking tool_result tool_use",
    REQUEST: "can_use_tool elicitation",
    TOOL: """Agent AskUserQuestion Bash Edit ExitPlanMode Glob Grep MultiEdit NotebookEdit Read
        Skill Task TaskCreate TaskGet TaskList TaskUpdate TodoWrite WebFetch WebSearch Write""",
    "field of user": """isCompactSummary isMeta isReplay isSidechain isSynthetic message
        parentUuid parent_tool_use_id timestamp toolDenialKind toolUseResult tool_result_meta
        tool_use_result uuid cwd""",
    "field of user.message": "content",
    "field of assistant": """apiBlockIndex error isApiErrorMessage isSidechain local_command_source
        message parentUuid parent_tool_use_id timestamp uuid cwd""",
    "field of assistant.message": "content id usage",
    "field of usage": """cache_creation_input_tokens cache_read_input_tokens input_tokens
        output_tokens""",
    "field of modelUsage": """cacheCreationInputTokens cacheReadInputTokens contextWindow
        inputTokens""",
    "field of result": """duration_ms errors is_error modelUsage num_turns result subtype
        terminal_reason total_cost_usd usage uuid""",
    "field of cost-state": "modelUsage totalCostUSD",
    "field of last-prompt": "cutUuid explicit leafUuid rewound",
    "field of stream_event": "api_message_id event parent_tool_use_id",
    "field of event/message_start": "message",
    "field of event/content_block_start": "content_block index",
    "field of event/content_block_delta": "delta index",
    "field of event/content_block_stop": "index",
    "field of delta/text_delta": "text",
    "field of delta/thinking_delta": "thinking",
    "field of block/text": "text",
    "field of block/thinking": "thinking",
    "field of block/tool_use": "id input name",
    "field of block/tool_result": "content is_error tool_use_id",
    "field of block/image": "source",
    "field of attachment": "attachment isSidechain parentUuid uuid",
    "field of attachment/queued_command": "commandMode prompt source_uuid",
    "field of attachment/hook_success": "hookEvent hookName stdout",
    "field of control_request": "request request_id",
    "field of control_request/can_use_tool": """blocked_path description input
        permission_suggestions tool_name tool_use_id""",
    "field of control_request/elicitation": """description display_name elicitation_id
        mcp_server_name message mode property_order requested_schema title url""",
    "field of control_response": "response",
    "field of control_response.response": "request_id response error",
    "field of control_cancel_request": "request_id",
    "field of command_lifecycle": "command_uuid state",
    "field of rate_limit_event": "rate_limit_info",
    "field of conversation_reset": "uuid",
    "field of system/init": "cwd model permissionMode session_id slash_commands",
    "field of system/status": "permissionMode status",
    "field of system/compact_boundary": """compactMetadata compact_metadata content
        logicalParentUuid parentUuid""",
    "field of system/local_command": "content",
    "field of system/task_notification": "status summary tool_use_id",
    "field of system/api_retry": "attempt error_status max_retries",
    "field of system/api_error": "error maxRetries retryAttempt",
    "field of system/hook_response": "exit_code hook_event hook_name outcome output stderr stdout",
    "field of initialize": "commands models",
    "field of model": "description displayName resolvedModel supportedEffortLevels value",
    "field of command": "argumentHint description name",
    "input of Agent": "description prompt subagent_type",
    "input of AskUserQuestion": "answers questions",
    "input of Bash": "command dangerouslyDisableSandbox description",
    "input of Edit": "file_path new_string old_string replace_all",
    "input of ExitPlanMode": "plan",
    "input of NotebookEdit": "new_source notebook_path",
    "input of Read": "file_path limit offset",
    "input of Skill": "args skill",
    "input of WebFetch": "prompt url",
    "input of WebSearch": "query",
    "input of Write": "content file_path",
}
"""By kind, the names that occur as strings in the package."""

EVERY_LINE = """agentId agent_id cwd entrypoint gitBranch isMeta isSidechain parentUuid promptId
    requestSessionId sessionId session_id slug subagent_type subtype task_description timestamp type
    userType user_message_uuid user_message_uuids uuid version"""
"""Fields of any line that place it in a session. The ids that matter are in READ as well."""

_BOOKS = "what Claude keeps for itself: its requests, its memory of what it said to the model"
_SELF = "how Claude works, for its own screen and for measurements"
_CARD = "the card that every tool has shows it whole"
_SAME = "said by another field that is read"

IGNORED: Mapping[str, Mapping[str, str]] = {
    _BOOKS: {
        HISTORY: """api-request api-request-blob api-request-shape atis-latch file-history-delta
            file-history-snapshot mode permission-mode queue-operation tools-used""",
        ATTACHMENT: """agent_listing_delta date deferred_tools_delta environment file model
            plan_mode plan_mode_exit prompt_snapshot remote_session_change session_context
            skill_listing task_status""",
        "field of assistant": "promptCacheRequested requestRef requestedModel",
        "field of attachment": "rendered renderedBesideToolResult renderedRole",
        "field of user": """origin permissionMode promptSource queueSkipAttachments rowSource
            sourceToolAssistantUUID turnAttributionKey turnOrigin turnPosition""",
        "field of last-prompt": "lastPrompt",
        "field of system/compact_boundary": "logical_parent_uuid",
        "field of stream_event": "abandoned_blocks owed_rows",
    },
    _SELF: {
        EVENT: "message_delta message_stop ping",
        DELTA: "input_json_delta signature_delta",
        "field of assistant": """aborted attributionAgent effort failedResponseHadNoToolCall
            isAbortedMidStream madeBy perTurnEffort serverClassifierRequest thinkingDisplay
            thinkingDurationMs thinking_display thinking_duration_ms toolInputStreamMs""",
        "field of assistant.message": """container context_management diagnostics model role
            stop_details stop_reason stop_sequence type""",
        "field of block/thinking": "signature",
        "field of stream_event": "thinking_display ttft_ms",
        "field of user": "isVisibleInTranscriptOnly permissionDecision sandboxed sentAtMs",
        "field of user.message": "role",
        "field of usage": """cache_creation fallback_credit inference_geo iterations
            output_tokens_details server_tool_use service_tier speed""",
        "field of modelUsage": """cacheCreationEphemeral1hInputTokens
            cacheCreationEphemeral5mInputTokens canonicalModel costBasis costUSD maxOutputTokens
            outputTokens provider thinkingTokens webSearchRequests""",
        "field of cost-state": """hasUnknownModelCost startTime totalAPIDuration
            totalAPIDurationWithoutRetries totalDuration totalLinesAdded totalLinesRemoved
            totalToolDuration""",
        "field of result": """begun_message_ids duration_api_ms fast_mode_disabled_reason
            fast_mode_state first_content_frame_ms first_request_cache_read_input_tokens
            first_request_input_tokens local_command model_usage_since_last_result origin
            permission_denials queued_turn_count request_sent_wall_ms result_index safety_stops
            stop_reason subagent_stats time_to_request_ms ttft_ms ttft_stream_ms""",
        "field of system/init": """additional_directories agents analytics_disabled apiKeySource
            capabilities claude_code_version fast_mode_disabled_reason fast_mode_state mcp_servers
            memory_paths messaging_socket_path original_cwd output_style per_turn_effort_active
            plugins product_feedback_disabled sandbox_enabled served_by_anthropic skills
            terminal_slash_commands tools ultrathink_available ultrathink_typed_raises view_mode""",
        "field of system/status": "compact_result",
        "field of system/compact_boundary": "level",
        "field of system/local_command": "commandRun level",
        "field of system/thinking_tokens": "estimated_tokens estimated_tokens_delta",
        "field of conversation_reset": "new_conversation_id trigger",
        "field of initialize": """account agents analytics_disabled available_output_styles
            capabilities claude_code_version current_permission_mode fast_mode_disabled_reason
            fast_mode_state feedback_mode hook_on_failure_supported hooks_when_unanswered_kept
            ide_rc_auto_enable_gate other_hook_ask_outranks_host output_style pid
            remote_control_auto_connect_default remote_control_auto_enable
            remote_control_auto_on_by_default remote_control_available sandbox_enabled
            session_state user_output_styles_dir""",
        "field of model": """supportsAdaptiveThinking supportsAutoMode supportsEffort
            supportsFastMode supportsThinkingOff""",
        "field of command": "aliases builtin",
    },
    "the calls' cards show what agents and tasks do": {
        "field of system/background_tasks_changed": "tasks",
        "field of system/task_notification": "output_file run_id summary_is_report task_id usage",
        "field of system/task_progress": """description last_tool_name run_id task_id tool_use_id
            usage""",
        "field of system/task_started": """description is_backgrounded prompt run_id spawn_depth
            task_id task_type tool_use_id""",
        "field of system/task_updated": "patch run_id task_id",
    },
    _SAME: {
        "field of assistant": """apiErrorStatus apiErrorType api_error_status api_error_type
            is_api_error_message""",
        "field of result": "api_error_status api_error_type",
        "field of control_request/can_use_tool": "display_name requires_user_interaction",
    },
    _CARD: {
        TOOL: """CronCreate CronDelete CronList DeferredToolPlaceholder EnterPlanMode EnterWorktree
            ExitWorktree ListAgents Monitor ReportFindings ScheduleWakeup SendMessage TaskStop
            ToolSearch Workflow""",
        "input of Agent": "effort isolation model run_in_background",
        "input of AskUserQuestion": "annotations metadata",
        "input of Bash": "run_in_background timeout",
        "input of ExitPlanMode": "allowedPrompts",
        "input of NotebookEdit": "cell_id cell_type edit_mode",
        "input of Read": "allow_large pages",
        "input of WebFetch": "offset",
        "input of WebSearch": "allowed_domains blocked_domains",
    },
}
"""By reason and kind, the names that were reviewed and are not needed."""


def names(table: Mapping[str, str]) -> frozenset[Name]:
    """The names of one table of space-separated words."""
    return frozenset(Name(kind, each) for kind, words in table.items() for each in words.split())


def read() -> frozenset[Name]:
    return names(READ)


def ignored() -> frozenset[Name]:
    return frozenset().union(*map(names, IGNORED.values()))


def unknown(found: Iterable[Name]) -> list[Name]:
    """The names that this code does not know, sorted.

    Fields and inputs are checked only for types in the tables above: of a new or ignored type,
    only its own name is reported."""
    known = read() | ignored()
    kinds = {name.kind for name in known}
    return sorted(
        name
        for name in set(found) - known
        if not name.is_part or (name.kind in kinds and not _is_everywhere(name))
    )


def _is_everywhere(name: Name) -> bool:
    return name.kind.startswith(FIELD) and name.name in EVERY_LINE.split()
