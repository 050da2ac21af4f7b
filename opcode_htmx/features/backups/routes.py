"""The page of backups: make one, download it, remove it."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.backups.service import KEPT, Backups
from opcode_htmx.lib import resources
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.web.auth.visitor import current_identity, require_owner
from opcode_htmx.web.http.disposition import download
from opcode_htmx.web.http.forms import BadForm

OWNERS = "make backups"
SHORTEST, LONGEST = 8, 200
"""Characters of a passphrase."""


def blueprint(backups: Backups) -> Blueprint:
    pages = Blueprint("backups", __name__)

    @pages.get("/backup")
    def page() -> str:
        require_owner(OWNERS)
        return render_template(
            "backups/backups.html",
            backups=backups.all(),
            is_making=backups.is_making(),
            said=backups.said(),
            kept=KEPT,
            shortest=SHORTEST,
            restore=f"{resources.PROGRAM} restore",
        )

    @pages.post("/backup")
    def make() -> BaseResponse:
        require_owner(OWNERS)
        passphrase = request.form.get("passphrase", "")
        with_secrets = request.form.get("secrets") == "1"
        _check(passphrase, request.form.get("again", ""), with_secrets=with_secrets)
        name = backups.begin(with_secrets=with_secrets, passphrase=passphrase)
        log_act(current_identity(), "backup.make", name=name, secrets=with_secrets)
        return redirect(url_for(".page"), 303)

    @pages.get("/backup/<backup_name>")
    def file(backup_name: str) -> Response:
        require_owner(OWNERS)
        path = backups.path(backup_name)
        log_act(current_identity(), "backup.download", name=backup_name)
        return download(path, "application/octet-stream", backup_name)

    @pages.post("/backup/<backup_name>/delete")
    def delete(backup_name: str) -> BaseResponse:
        require_owner(OWNERS)
        backups.remove(backup_name)
        log_act(current_identity(), "backup.delete", name=backup_name)
        return redirect(url_for(".page"), 303)

    return pages


def _check(passphrase: str, again: str, *, with_secrets: bool) -> None:
    """Raises BadForm."""
    if passphrase != again:
        raise BadForm("The two passphrases are not the same.")
    if "\n" in passphrase or "\r" in passphrase:
        raise BadForm("A passphrase is one line.")
    if passphrase and not SHORTEST <= len(passphrase) <= LONGEST:
        raise BadForm(f"A passphrase has {SHORTEST} to {LONGEST} characters.")
    if with_secrets and not passphrase:
        raise BadForm("A backup with passwords and keys needs a passphrase.")
