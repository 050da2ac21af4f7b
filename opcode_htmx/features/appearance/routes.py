"""The page on which a person chooses how all pages look, and what all pages know of it."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.appearance.service import CHOICES, Appearance, AppearanceStore
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.visitor import visitor


def blueprint(store: AppearanceStore) -> Blueprint:
    pages = Blueprint("appearance", __name__)

    @pages.app_template_global("appearance")
    def appearance() -> Appearance:
        """What the sender of the request has chosen; the defaults before a login."""
        return store.of(current_identity().user) if visitor() else Appearance()

    @pages.get("/appearance")
    def page() -> str:
        return render_template("appearance/appearance.html", choices=CHOICES)

    @pages.post("/appearance")
    def choose() -> BaseResponse:
        by = current_identity()
        chosen = Appearance.of(request.form)
        store.choose(by.user, chosen)
        log_act(by, "appearance.choose", **asdict(chosen))
        return redirect(url_for(".page"), 303)

    return pages
