"""Write, complete, send and queue prompts; and the page for a new session."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.engines.claude.files.fork import InMidWork, NothingToFork
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.runs.control.prompt_queue import PromptNotFound, PromptTaken
from opcode_htmx.runs.policies.limit_monitor import QueueFull
from opcode_htmx.sessions.storage.drafts import DraftTooLarge


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.composer import (
        completion,
        forks,
        new_session,
        new_session_routes,
        prompts,
        routes,
        sent_prompts,
        typed_words,
    )

    workspace, runs, sessions = context.workspace, context.runs, context.sessions
    lookup, drafts = sessions.lookup, sessions.drafts
    files = sessions.project_files
    page = new_session.NewSessionPage(workspace, drafts, context.capabilities, sessions.options)
    yield new_session_routes.blueprint(
        page, workspace, drafts, context.capabilities, sessions.options, files
    )
    yield forks.blueprint(page, lookup, drafts, runs, sessions.flags)
    yield prompts.blueprint(page, runs, sessions.submitter, lookup, drafts, sessions.worktrees)
    yield routes.blueprint(runs, lookup, drafts)
    yield sent_prompts.blueprint(runs, sessions.submitter, lookup, drafts)
    yield typed_words.blueprint(runs, lookup, drafts, page)
    yield completion.blueprint(
        workspace.config_dir, runs, lookup, context.capabilities, files, workspace.folders
    )


FEATURE = Feature(
    name="composer",
    routes=_routes,
    nav=(NavItem("new_session.new", "New", icon="plus", order=30),),
    errors={
        PromptNotFound: 404,
        PromptTaken: 409,
        QueueFull: 429,
        DraftTooLarge: 413,
        NothingToFork: 409,
        InMidWork: 409,
    },
)
