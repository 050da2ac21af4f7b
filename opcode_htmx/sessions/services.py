"""The services about sessions that capabilities share, as one value."""

from __future__ import annotations

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree.search import ProjectFiles
from opcode_htmx.sessions.attention import AttentionList
from opcode_htmx.sessions.changes.counts import ChangedCounts
from opcode_htmx.sessions.checkpoints.automatic import AutomaticCheckpoints
from opcode_htmx.sessions.checkpoints.service import Checkpoints
from opcode_htmx.sessions.configuration.service import Configuration
from opcode_htmx.sessions.dev_servers.servers import DevServers
from opcode_htmx.sessions.export.exporter import SessionExporter
from opcode_htmx.sessions.index.reader import IndexReader
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.schedules.agents import ScheduledAgents
from opcode_htmx.sessions.schedules.session_budgets import SessionBudgets
from opcode_htmx.sessions.schedules.store import ScheduleStore
from opcode_htmx.sessions.storage.drafts import Drafts
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from opcode_htmx.sessions.storage.survey import Surveyor
from opcode_htmx.sessions.storage.trash import Trash
from opcode_htmx.sessions.submit import PromptSubmitter
from opcode_htmx.sessions.views import SessionViews
from opcode_htmx.sessions.worktrees.service import SessionWorktrees


@dataclass(frozen=True, slots=True)
class Sessions:
    """What is known about sessions, and what is kept for them."""

    lookup: SessionLookup
    locations: SessionLocations
    views: SessionViews
    submitter: PromptSubmitter
    exporter: SessionExporter
    drafts: Drafts
    read_positions: ReadPositions
    flags: SessionFlags
    attention: AttentionList
    options: OptionsPresenter
    budgets: SessionBudgets
    schedules: ScheduleStore
    scheduled_agents: ScheduledAgents
    trash: Trash
    surveyor: Surveyor
    index: IndexReader
    changed_counts: ChangedCounts
    dev_servers: DevServers
    configuration: Configuration
    project_files: ProjectFiles
    worktrees: SessionWorktrees
    checkpoints: Checkpoints
    automatic_checkpoints: AutomaticCheckpoints
