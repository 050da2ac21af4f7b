"""/api/agents: agents and their runs, under the routes of the reference's client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response

from opcode_htmx.features.agents import api_models as models
from opcode_htmx.features.agents.api_values import agent_info, agent_of, run_info
from opcode_htmx.features.agents.exchange import document
from opcode_htmx.features.agents.pages import AgentPages
from opcode_htmx.features.agents.running.output import last_lines
from opcode_htmx.features.agents.running.records import AgentRun
from opcode_htmx.features.agents.running.runner import Start
from opcode_htmx.features.agents.store import StoredAgent
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.sessions.submit import InvalidPrompt, TrustDecision
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint, Method
from opcode_htmx.web.rest.refusals import NO_BYPASS, UNTRUSTED

TAG = "Agents"
NDJSON = "application/x-ndjson"
MOST_OUTPUT = 4 * 1024 * 1024
"""Bytes of output in one answer: the last ones, from the beginning of a line."""
LOOK_SECONDS = 1.0
"""How long a stream waits at most until it looks whether the run is over."""

_NO_AGENT = {404: "There is no such agent."}
_NO_RUN = {404: "There is no such run."}
_STARTS = {
    **_NO_AGENT,
    403: NO_BYPASS,
    409: UNTRUSTED,
    503: "Claude could not be started.",
}


class AgentsApi:
    def __init__(self, parts: AgentPages) -> None:
        self._parts = parts

    def endpoints(self) -> Iterator[Endpoint]:
        one, info = "/api/agents/{agent_id}", models.Agent
        agents: Any = list[models.Agent]
        yield _endpoint("GET", "/api/agents", "All agents, by name", self.all, agents)
        yield _endpoint(
            "POST", "/api/agents", "Make an agent", self.add, info, body=models.NewAgent, status=201
        )
        yield _endpoint("GET", one, "An agent", self.get, info, refusals=_NO_AGENT)
        yield _endpoint(
            "PUT", one, "Change an agent", self.change, info, body=models.ChangedAgent,
            refusals={**_NO_AGENT, 409: "It has changed since its revision was read."},
        )  # fmt: skip
        yield _endpoint(
            "DELETE", one, "Delete an agent; its runs stay", self.delete, refusals=_NO_AGENT
        )
        yield _endpoint(
            "GET", f"{one}/export", "An agent as a document to pass on", self.export,
            models.ExportedAgent, refusals=_NO_AGENT,
        )  # fmt: skip
        yield _endpoint(
            "POST", f"{one}/execute", "Start an agent: gives the number of its run", self.execute,
            int, body=models.AgentExecution, refusals=_STARTS, status=202,
        )  # fmt: skip
        yield _endpoint(
            "POST", "/api/agents/import", "Make an agent of an exported one", self.take, info,
            body=models.ImportedAgent, status=201,
        )  # fmt: skip
        yield from self._runs()
        yield from self._outputs()

    def _runs(self) -> Iterator[Endpoint]:
        runs = "/api/agents/runs"
        yield _endpoint(
            "GET", runs, "The runs of agents, newest first", self.runs,
            list[models.AgentRunInfo], query=models.RunsQuery,
        )  # fmt: skip
        yield _endpoint(
            "GET", f"{runs}/{{agent_run}}", "A run", self.run, models.AgentRunInfo,
            refusals=_NO_RUN,
        )  # fmt: skip
        yield _endpoint(
            "GET", f"{runs}/{{agent_run}}/metrics", "A run with what it has used so far",
            self.measured, models.MeasuredAgentRun, refusals=_NO_RUN,
        )  # fmt: skip
        yield _endpoint(
            "POST",
            "/api/agents/sessions/{agent_run}/kill",
            "End a run; whether there was something to end",
            self.kill,
            bool,
            refusals=_NO_RUN,
        )

    def _outputs(self) -> Iterator[Endpoint]:
        session = "/api/agents/sessions/{agent_run}"
        yield _endpoint(
            "GET", f"{session}/status", "How far a run is, in one word", self.status, str,
            refusals=_NO_RUN,
        )  # fmt: skip
        for name, summary in (
            ("output", "What the processes of a run have written, as lines of JSON"),
            ("output/live", "The same of the process that is alive; empty if none is"),
        ):
            handler = self.output if name == "output" else self.live_output
            yield _endpoint("GET", f"{session}/{name}", summary, handler, str, refusals=_NO_RUN)
        yield _endpoint(
            "GET", f"{session}/output/stream",
            "What the processes of a run write, line by line until it is over", self.stream, str,
            refusals=_NO_RUN, media=(NDJSON,),
        )  # fmt: skip

    # --- agents -----------------------------------------------------------------------------

    def all(self) -> list[models.Agent]:
        return list(map(agent_info, self._parts.store.all()))

    def get(self, agent_id: int) -> models.Agent:
        return agent_info(self._agent(agent_id))

    def add(self, body: models.NewAgent) -> models.Agent:
        stored = self._parts.store.add(agent_of(body))
        log_act(current_identity(), "agent.add", agent=str(stored.id))
        return agent_info(stored)

    def change(self, agent_id: int, body: models.ChangedAgent) -> models.Agent:
        before = self._agent(agent_id)
        changed = agent_of(body, before.agent)
        stored = self._parts.store.change(before.id, changed, body.revision or before.revision)
        log_act(current_identity(), "agent.change", agent=str(stored.id))
        return agent_info(stored)

    def delete(self, agent_id: int) -> None:
        stored = self._agent(agent_id)
        self._parts.store.delete(stored.id)
        log_act(current_identity(), "agent.delete", agent=str(stored.id))

    def export(self, agent_id: int) -> models.ExportedAgent:
        return models.ExportedAgent(**document.exported(self._agent(agent_id).agent, time.time()))

    def take(self, body: models.ImportedAgent) -> models.Agent:
        if body.json_data is not None:
            agent = document.loaded(body.json_data)
        else:
            agent = document.of_value(body.model_dump(exclude_unset=True))
        stored = self._parts.store.add(agent)
        log_act(current_identity(), "agent.import", agent=str(stored.id))
        return agent_info(stored)

    def execute(self, agent_id: int, body: models.AgentExecution) -> int:
        stored = self._agent(agent_id)
        task = body.task or stored.agent.default_task
        if not task:
            raise InvalidPrompt("This agent has no default task: send a task.")
        decision = TrustDecision.TRUST if body.trust else None
        start = Start(
            self._parts.folder(body.project_path),
            task,
            body.model or "",
            body.worktree,
            body.session_id or "",
            body.prompt_id or "",
        )
        return self._parts.runner.start(
            stored,
            start,
            by=current_identity(),
            trust=TrustDecision.LEAVE_OUT if body.untrusted else decision,
        ).id

    # --- runs -------------------------------------------------------------------------------

    def runs(self, query: models.RunsQuery) -> list[models.AgentRunInfo]:
        progress = self._parts.progress
        return [run_info(progress.row(each)) for each in self._parts.records.all(query.agent_id)]

    def run(self, agent_run: int) -> models.AgentRunInfo:
        return run_info(self._parts.progress.row(self._record(agent_run)))

    def measured(self, agent_run: int) -> models.MeasuredAgentRun:
        view = self._parts.progress.view(self._record(agent_run))
        metrics = view.metrics
        return models.MeasuredAgentRun(
            **run_info(view).model_dump(),
            metrics=models.AgentRunMetrics(
                duration_ms=int(view.duration * 1000),
                total_tokens=metrics.tokens,
                cost_usd=metrics.cost_usd,
                message_count=metrics.messages,
                files_changed=metrics.files_changed,
                lines_added=metrics.lines_added,
                lines_removed=metrics.lines_removed,
            ),
            output=view.answer or None,
        )

    def kill(self, agent_run: int) -> bool:
        return self._parts.runner.stop(self._record(agent_run), by=current_identity())

    def status(self, agent_run: int) -> str:
        return self._parts.progress.row(self._record(agent_run)).status.value

    def output(self, agent_run: int) -> str:
        return _output(self._processes(self._record(agent_run)))

    def live_output(self, agent_run: int) -> str:
        found = self._processes(self._record(agent_run))
        return _output([run for run in found if run.live])

    def stream(self, agent_run: int) -> Response:
        record = self._record(agent_run)
        return Response(yielding(self._written(record)), mimetype=NDJSON)

    def _written(self, record: AgentRun) -> Iterator[bytes]:
        """The whole lines of all processes, the old ones first, until the run is over."""
        readers: dict[str, LineReader] = {}
        changes = self._parts.context.runs.written(record.session_id)
        while True:
            seen = changes.version  # before looking, so that no change is missed
            is_over = self._parts.progress.row(record).status.is_over
            for run in self._processes(record):
                reader = readers.setdefault(run.id, LineReader(run.folder.output))
                for line in reader.read():
                    yield line.data + b"\n"
            if is_over:
                return
            changes.wait(seen, LOOK_SECONDS)

    def _processes(self, record: AgentRun) -> list[Run]:
        return self._parts.context.runs.of_session(record.session_id)

    def _agent(self, agent_id: int) -> StoredAgent:
        return self._parts.store.get(agent_id)

    def _record(self, agent_run: int) -> AgentRun:
        return self._parts.records.get(agent_run)


def _endpoint(
    method: Method,
    path: str,
    summary: str,
    handler: Callable[..., object],
    response: object = None,
    **more: Any,
) -> Endpoint:
    return Endpoint(
        method=method,
        path=path,
        tag=TAG,
        summary=summary,
        handler=handler,
        response=response,
        numbered="{" in path,
        **more,
    )


def _output(runs: list[Run]) -> str:
    content = last_lines([run.folder.output for run in runs], MOST_OUTPUT)
    return content.decode("utf-8", "replace")
