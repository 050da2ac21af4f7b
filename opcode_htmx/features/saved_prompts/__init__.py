"""Saved prompts of each person, and one's earlier ones, to be inserted into a composer."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.features.saved_prompts.service import FOLDER, VERSION, NoSuchPrompt, PromptRefused
from opcode_htmx.lib.files.state_folders import StateFolder


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.saved_prompts import choose, routes
    from opcode_htmx.features.saved_prompts.composers import Composers
    from opcode_htmx.features.saved_prompts.earlier_prompts import EarlierPrompts
    from opcode_htmx.features.saved_prompts.service import PromptLibrary

    workspace, sessions = context.workspace, context.sessions
    library = PromptLibrary(context.state.folder(FOLDER))
    composers = Composers(workspace, sessions.lookup, sessions.drafts)
    yield routes.blueprint(library, workspace)
    # without an index, the newest prompts are found
    earlier = EarlierPrompts(workspace.config_dir, sessions.index)
    yield choose.blueprint(library, earlier, composers, workspace, sessions.drafts, context.runs)


FEATURE = Feature(
    name="saved_prompts",
    routes=_routes,
    nav=(NavItem("saved_prompts.page", "Saved prompts", icon="book", order=600),),
    errors={NoSuchPrompt: 404, PromptRefused: 422},
    state=(
        StateFolder(
            FOLDER,
            "the saved prompts of each user, and the last deleted ones",
            version=VERSION,
        ),
    ),
)
