"""The pages of a sign-in at an MCP server: its link, the way back, and an address to paste."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.claude_mcp.pages.servers import named, server_address
from opcode_htmx.features.claude_mcp.services import Services
from opcode_htmx.features.claude_mcp.sign_ins import SignIn, SignInRefused
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import redirect_with_notice


def register(pages: Blueprint, services: Services) -> None:
    sign_ins = services.sign_ins

    @pages.post("/claude/mcp/servers/<scope>/<server>/sign-in")
    def sign_in(scope: str, server: str) -> BaseResponse:
        chosen, found = named(services, request.form.get("folder", ""), scope, server)
        ours = url_for(".signed_in", _external=True)
        to = None if request.form.get("by") == "paste" else ours
        begun = sign_ins.begin(chosen, found.scope, found.name, to, current_identity())
        return redirect(url_for(".sign_in_page", sign_in_id=begun.id), 303)

    @pages.get("/claude/mcp/sign-ins/<sign_in_id>")
    def sign_in_page(sign_in_id: str) -> str:
        return page(known(sign_in_id))

    @pages.post("/claude/mcp/sign-ins/<sign_in_id>")
    def paste(sign_in_id: str) -> BaseResponse | tuple[str, int]:
        found = known(sign_in_id)
        try:
            return ended(sign_ins.finish(found, request.form.get("address", "").strip()))
        except SignInRefused as error:
            return page(found, str(error)), 422

    @pages.get("/claude/mcp/signed-in")
    def signed_in() -> BaseResponse | tuple[str, int]:
        # not by a form of ours: `state` is the proof that the person has begun this sign-in
        found = sign_ins.with_state(request.args.get("state", ""))
        if found is None and "state" not in request.args:
            return page(None), 200
        if found is None:
            return page(None, "This sign-in is over, or belongs to somebody else."), 400
        if request.method == "HEAD":
            return "", 200
        address = f"{found.redirect}?{request.query_string.decode('latin-1')}"
        try:
            return ended(sign_ins.finish(found, address))
        except SignInRefused as error:
            return page(found, str(error)), 422

    def ended(found: SignIn) -> BaseResponse | tuple[str, int]:
        if not found.is_done:
            return page(found, found.outcome), 422
        chosen = services.configuration.chosen(found.folder)
        return redirect_with_notice(
            server_address(chosen, found.scope, found.server),
            "mcp-signed-in",
            str(found.reconnected),
        )

    def known(sign_in_id: str) -> SignIn:
        found = sign_ins.get(sign_in_id)
        if found is None:
            abort(404, description="This sign-in is over. Begin it again.")
        return found

    def page(found: SignIn | None, error: str = "") -> str:
        chosen = services.configuration.chosen(found.folder if found else "")
        return render_template(
            "claude_mcp/sign_in.html",
            sign_in=found,
            chosen=chosen,
            server_address=server_address(chosen, found.scope, found.server) if found else "",
            error=error,
        )
