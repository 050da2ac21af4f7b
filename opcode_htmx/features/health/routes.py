"""The page of the self-check, for the owner."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.config.settings import Settings
from opcode_htmx.features.health.self_check import Report, SelfCheck
from opcode_htmx.lib import resources
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.sessions.health import checks, network
from opcode_htmx.sessions.health.check import SYMBOLS, WORDS, Result, State
from opcode_htmx.sessions.support_bundle import bundle
from opcode_htmx.web.auth.visitor import current_identity, require_owner
from opcode_htmx.web.http.disposition import save_as

OWNERS = "see how the server is"
_WORST_FIRST = (State.PROBLEM, State.WARNING, State.UNKNOWN, State.HINT, State.OK)


def blueprint(self_check: SelfCheck, settings: Settings, state: StateDir) -> Blueprint:
    pages = Blueprint("self_check", __name__)

    @pages.get("/health")
    def page() -> str:
        require_owner(OWNERS)
        report = self_check.last()
        results = results_for_request(report, settings) if report else ()
        return render_template(
            "health/health.html",
            report=report,
            results=sorted(results, key=lambda each: _WORST_FIRST.index(each.finding.state)),
            counts=Counter(each.finding.state for each in results),
            symbols=SYMBOLS,
            words=WORDS,
            states=State,
            doctor=f"{resources.PROGRAM} doctor",
        )

    @pages.post("/health/check")
    def check() -> BaseResponse:
        require_owner(OWNERS)
        log_act(current_identity(), "health.check")
        self_check.run()
        return redirect(url_for(".page"), 303)

    @pages.get("/health/support-bundle")
    def support_bundle() -> Response:
        """What somebody who helps needs, with the results of the last check."""
        require_owner(OWNERS)
        log_act(current_identity(), "health.support_bundle")
        report = self_check.last()
        content = run_in_thread(
            bundle.make,
            settings,
            [each.name for each in state],
            results_for_request(report, settings) if report else (),
            report.at if report else None,
        )
        response = Response(content, mimetype="application/zip")
        save_as(response, bundle.name(time.time()))
        return response

    return pages


def results_for_request(report: Report, settings: Settings) -> tuple[Result, ...]:
    """The results, with the way by which this browser came in place of what settings say."""
    way = network.tls_of_request(settings, request.scheme, request.host)
    return tuple(
        replace(each, finding=way) if each.name == checks.TLS else each for each in report.results
    )
