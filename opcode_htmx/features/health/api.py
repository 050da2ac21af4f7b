"""/api/health/checks: the last self-check, and a new one."""

from __future__ import annotations

from collections.abc import Iterable

from opcode_htmx.features.health.routes import OWNERS
from opcode_htmx.features.health.schema import HealthReport
from opcode_htmx.features.health.self_check import SelfCheck
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.web.auth.visitor import current_identity, require_owner
from opcode_htmx.web.rest.endpoint import Endpoint

PATH = "/api/health/checks"
TAG = "Health"
NOT_YOURS = {403: "Only the owner of the server may do this."}


def endpoints(self_check: SelfCheck) -> Iterable[Endpoint]:
    def last() -> HealthReport | None:
        require_owner(OWNERS)
        report = self_check.last()
        return HealthReport.of(report) if report else None

    def run() -> HealthReport:
        require_owner(OWNERS)
        log_act(current_identity(), "health.check")
        return HealthReport.of(self_check.run())

    yield Endpoint(
        method="GET",
        path=PATH,
        tag=TAG,
        summary="The last self-check of the server",
        description="Null before the first one. Whether the server can be sent requests is at "
        "`/readyz`, without a login.",
        handler=last,
        response=HealthReport | None,
        refusals=NOT_YOURS,
    )
    yield Endpoint(
        method="POST",
        path=PATH,
        tag=TAG,
        summary="Check what the server needs now",
        description="Takes seconds: Claude is asked for its version and its login. The same as "
        "`opcode-htmx doctor --json`.",
        handler=run,
        response=HealthReport,
        refusals=NOT_YOURS,
    )
