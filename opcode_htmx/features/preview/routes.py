"""The pages of dev servers, and the forms that open and close their previews."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.preview import targets
from opcode_htmx.features.preview.service import Previews
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.dev_servers.servers import DevServer, NoSuchServer
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.visitors import Visitors
from opcode_htmx.web.http.forms import session_address, whole_number
from opcode_htmx.web.http.headers import content_security_policy
from opcode_htmx.web.origin import hosts
from opcode_htmx.web.origin.server_addresses import in_url


def blueprint(previews: Previews, lookup: SessionLookup, runs: Supervisor) -> Blueprint:
    pages = Blueprint("preview", __name__)
    of_session = "/projects/<project_id>/sessions/<session_id>/preview"

    @pages.get(of_session)
    def page(project_id: str, session_id: str) -> Response:
        session_id = lookup.at(project_id, session_id).session_id
        origins = previews.origins()
        found = previews.of_session(session_id)
        target = targets.of_link(request.args.get("to", ""))
        if target:
            found.sort(key=lambda each: each.server.port != target.port)
        response = make_response(
            render_template(
                "preview/preview.html",
                title=lookup.title(project_id, session_id),
                address=session_address(project_id, session_id),
                previews=found,
                target=target,
                is_there=target and any(each.server.port == target.port for each in found),
                host=in_url(hosts.host_name(request.host) or ""),
                has_origins=bool(origins),
            )
        )
        # The form that opens a preview is answered with its address, which browsers check as well
        policy = content_security_policy()
        wider = " ".join(["form-action 'self'", *origins])
        response.headers["Content-Security-Policy"] = policy.replace("form-action 'self'", wider)
        return response

    @pages.get(f"{of_session}/link")
    def link(project_id: str, session_id: str) -> BaseResponse:
        """Leads from a link to this computer to the preview of what it means, or to their page."""
        address = request.args.get("to", "")
        target = targets.of_link(address)
        for each in previews.of_session(lookup.at(project_id, session_id).session_id):
            if target and each.server.port == target.port and each.address:
                return redirect(previews.address_of(each, target.path), 303)
        page = url_for(".page", project_id=project_id, session_id=session_id, to=address)
        return redirect(page, 303)

    @pages.post(f"{of_session}/open")
    def open_(project_id: str, session_id: str) -> BaseResponse:
        server = _server(previews, lookup.at(project_id, session_id).session_id)
        in_sandbox = request.form.get("sandbox") == "1"
        visitors: Visitors = current_app.extensions["opcode_visitors"]
        login = visitors.login_id()  # made here for one that logs in by Basic
        path = targets.path_of(request.form.get("path", "/"))
        by = current_identity()
        address = previews.open(server, login, by, in_sandbox=in_sandbox, path=path)
        return redirect(address, 303)

    @pages.post(f"{of_session}/close")
    def close(project_id: str, session_id: str) -> BaseResponse:
        server = _server(previews, lookup.at(project_id, session_id).session_id)
        previews.close(server, current_identity())
        return redirect(url_for(".page", project_id=project_id, session_id=session_id), 303)

    @pages.get("/preview")
    def overview() -> str:
        found = []
        live = {run.id: run for run in runs.live()}
        for each in previews.servers.all():
            location = lookup.locations.of(each.session_id)
            run = live.get(each.run_id)
            title = lookup.title_of_run(run) if run else "A session"
            found.append((each, title, location.project_name, page_of(each)))
        return render_template("preview/overview.html", servers=found)

    @pages.get("/preview/<int:port>")
    def of_port(port: int) -> BaseResponse:
        """Leads to the page of the session whose process listens on a port.

        Raises NoSuchServer.
        """
        found = next((each for each in previews.servers.all() if each.port == port), None)
        if found is None:
            raise NoSuchServer(f"No process of a session listens on port {port} now.")
        return redirect(page_of(found), 303)

    def page_of(server: DevServer) -> str:
        location = lookup.locations.of(server.session_id)
        return url_for(
            ".page",
            project_id=location.claude_folder,
            session_id=server.session_id,
            _anchor=f"port-{server.port}",
        )

    return pages


def _server(previews: Previews, session_id: str) -> DevServer:
    port = whole_number(request.form.get("port", ""), 5) or 0
    return previews.servers.get(session_id, port, request.form.get("mark", ""))
