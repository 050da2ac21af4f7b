"""Claude Code as an engine: the parts of this folder behind the port. See `engines.base`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opcode_htmx.engines.base import CommandLine, LaunchOptions, QueryOptions
from opcode_htmx.engines.capabilities import CapabilityReport
from opcode_htmx.engines.claude.files import history, process_registry
from opcode_htmx.engines.claude.protocol import (
    argv,
    capabilities,
    encoder,
    own_requests,
    parser,
    user_entries,
)
from opcode_htmx.engines.claude.protocol.usage import plan_limits
from opcode_htmx.engines.claude.trust import items, updates
from opcode_htmx.engines.claude.trust.record import TrustRecord, project_key
from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.engines.messages import ControlResponse, Message, SystemEvent, Unknown, User
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.engines.requests import Agreed, OwnRequest, Query
from opcode_htmx.engines.trust import TrustItem
from opcode_htmx.engines.user_parts import Part
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ClaudeCodec:
    """Claude's stream-json, with notes of our own among the lines that were sent."""

    def parse(self, line: bytes) -> Message:
        return parser.parse(line)

    def capabilities_of(self, answer: Json) -> CapabilityReport:
        return capabilities.report_of(answer)

    def parts_of(self, message: User) -> tuple[Part, ...]:
        return user_entries.parts_of(message)

    def own_request(self, message: Unknown) -> OwnRequest | None:
        return own_requests.own_request(message)

    def agreed(self, request: OwnRequest, response: ControlResponse) -> Agreed:
        return own_requests.agreed(request, response)

    def answer_in(self, message: ControlResponse) -> str:
        return own_requests.answer_in(message)

    def unsupported_request(self, message: Unknown) -> str | None:
        match message:
            case Unknown(type="control_request", raw={"request_id": str(request_id)}):
                return request_id
        return None

    def permission_mode_in(self, message: SystemEvent) -> str | None:
        match message:
            case SystemEvent(subtype="status", raw={"permissionMode": str(mode)}):
                return mode
        return None

    def limits_in(self, message: SystemEvent) -> tuple[LimitWindow, ...]:
        return plan_limits.limits_in(message)

    def limits_of(self, response: ControlResponse) -> tuple[LimitWindow, ...]:
        return plan_limits.limits_of(response)

    def limits_line(self, request_id: str) -> bytes:
        return plan_limits.limits_line(request_id)

    def initialize_line(self) -> bytes:
        return encoder.initialize_line()

    def query_line(self, request_id: str, query: Query) -> bytes:
        return encoder.control_line(request_id, query.name, **query.fields)

    def prompt_line(self, prompt_id: str, text: str, images: Sequence[ImageContent] = ()) -> bytes:
        return encoder.prompt_line(prompt_id, text, images)

    def allow_line(
        self,
        request_id: str,
        tool_input: Mapping[str, Any],
        permissions: Sequence[Json] = (),
        at: float | None = None,
    ) -> bytes:
        return encoder.allow_line(request_id, tool_input, permissions, at)

    def deny_line(self, request_id: str, reason: str, at: float | None = None) -> bytes:
        return encoder.deny_line(request_id, reason, at)

    def elicitation_line(
        self,
        request_id: str,
        action: str,
        content: Mapping[str, Any] | None = None,
        at: float | None = None,
    ) -> bytes:
        return encoder.elicitation_line(request_id, action, content, at)

    def refusal_line(self, request_id: str) -> bytes:
        return encoder.refusal_line(request_id)

    def change_line(self, request_id: str, option: str, value: object) -> bytes | None:
        return own_requests.change_line(request_id, option, value)

    def cancel_prompt_line(self, request_id: str, prompt_id: str) -> bytes:
        return own_requests.cancel_prompt_line(request_id, prompt_id)

    def interrupt_line(self, request_id: str) -> bytes:
        return own_requests.interrupt_line(request_id)

    def undelivered_line(self, about: str) -> bytes:
        return encoder.undelivered_line(about)

    def withdrawn_line(self, prompt_id: str) -> bytes:
        return encoder.withdrawn_line(prompt_id)


@dataclass(frozen=True, slots=True)
class ClaudeLauncher:
    binary: Path
    base_environment: Mapping[str, str]

    def session(self, session_id: str, options: LaunchOptions) -> CommandLine:
        command = argv.build(
            self.binary,
            session_id,
            resume=options.resume,
            permission_mode=options.permission_mode,
            model=options.model,
            effort=options.effort,
            allow_bypass=options.allow_bypass,
            readable=options.readable,
            project_settings=options.project_settings,
            profile=options.profile,
            max_cost_usd=options.max_cost_usd,
        )
        changes = {**argv.FORWARD_SUBAGENT_ENV, **argv.REWIND_ENV}
        environment = argv.environment(changes, self.base_environment)
        return CommandLine(command, environment)

    def probe(self) -> CommandLine:
        command = argv.build_probe(self.binary, str(uuid.uuid4()))
        return CommandLine(command, self.base_environment)

    def query(self, options: QueryOptions) -> CommandLine:
        command = argv.build_query(self.binary, str(uuid.uuid4()), options)
        return CommandLine(command, self.base_environment)

    def subcommand(self, *arguments: str) -> CommandLine:
        return CommandLine((str(self.binary), *arguments), self.base_environment)


@dataclass(frozen=True, slots=True)
class ClaudeHistory:
    """Claude's history files below one or more config folders; the first that has one counts."""

    config_dirs: tuple[Path, ...]

    def file(self, session_id: str) -> Path | None:
        found = (history.find(config_dir, session_id) for config_dir in self.config_dirs)
        return next(filter(None, found), None)

    def size(self, session_id: str) -> int | None:
        path = self.file(session_id)
        return None if path is None else history.size(path)

    def end_of_part(self, session_id: str, start: int, fell_silent: float) -> int:
        return history.end_of_part(self.file(session_id), start, fell_silent)

    def has_gone_on(self, session_id: str, since: int) -> bool:
        return history.has_gone_on(self.file(session_id), since)

    def changed_at(self, session_id: str) -> int | None:
        path = self.file(session_id)
        return None if path is None else path.stat().st_mtime_ns

    def restore_time(self, session_id: str, size: int, changed_at: int) -> None:
        path = self.file(session_id)
        if path is not None:
            history.restore_time(path, size, changed_at)


@dataclass(frozen=True, slots=True)
class ClaudeProcessFiles:
    """The registry of live processes in Claude's config folder."""

    config_dir: Path

    def pids_of(self, session_id: str) -> frozenset[int]:
        sessions = process_registry.live_sessions(self.config_dir)
        return frozenset(each.pid for each in sessions if each.session_id == session_id)

    def remove(self, pid: int, session_id: str) -> None:
        process_registry.remove(self.config_dir, pid, session_id)


class ClaudeTrust:
    """The files that Claude reads in a project, and its own state file with the trusted ones."""

    def __init__(self, state_file: Path, home: Path, config_dir: Path) -> None:
        self._record = TrustRecord(state_file)
        self._home = home
        self._config_dir = config_dir

    def items_of(self, folder: Path) -> tuple[TrustItem, ...]:
        return items.items_of(folder, self._home, self._config_dir)

    def items_of_update(self, update: Json, folder: Path) -> list[TrustItem]:
        return updates.items_of_update(update, folder)

    def project_key(self, folder: Path) -> str:
        return project_key(folder)

    def trusted_as(self, folder: Path) -> str | None:
        return self._record.trusted_as(folder)

    def trusted(self) -> list[str]:
        return self._record.trusted()

    def accept(self, folder: Path) -> None:
        self._record.accept(folder)

    def take_back(self, name: str) -> None:
        self._record.take_back(name)


@dataclass(frozen=True, slots=True)
class ClaudeEngine:
    """Claude Code with one binary, config folder and environment."""

    config_dir: Path
    launcher: ClaudeLauncher
    history: ClaudeHistory
    processes: ClaudeProcessFiles
    trust: ClaudeTrust
    codec: ClaudeCodec

    @classmethod
    def of(
        cls,
        binary: Path,
        config_dir: Path,
        environment: Mapping[str, str],
        home: Path,
        state_file: Path,
    ) -> ClaudeEngine:
        """`state_file` is Claude's own, in which it notes which projects are trusted."""
        return cls(
            config_dir,
            ClaudeLauncher(binary, environment),
            ClaudeHistory((config_dir,)),
            ClaudeProcessFiles(config_dir),
            ClaudeTrust(state_file, home, config_dir),
            ClaudeCodec(),
        )
