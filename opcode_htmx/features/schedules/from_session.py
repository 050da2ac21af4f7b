"""The forms of a session's page: send a prompt later, go on after a limit, and cancel that."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta

from flask import (
    Blueprint,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response

from opcode_htmx.features.schedules import form
from opcode_htmx.features.schedules.routes import REFUSALS
from opcode_htmx.features.schedules.service import InvalidSchedule, Schedules, Wanted
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.schedules import planned, zones
from opcode_htmx.sessions.schedules.model import Origin, Work
from opcode_htmx.sessions.schedules.timing import Timing, inline_words, now_in, once_at
from opcode_htmx.sessions.storage.drafts import Drafts
from opcode_htmx.transcript.parts.limits import ReachedLimit, reached_limit
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import (
    BadForm,
    by_htmx,
    session_address,
    session_url,
    typed,
    whole_number,
)

_SESSION = "/projects/<project_id>/sessions/<session_id>"
AFTER_LIMIT, AT = "limit", "at"
_LATEST = 4102444800.0


def blueprint(schedules: Schedules, lookup: SessionLookup, drafts: Drafts) -> Blueprint:
    pages = Blueprint("schedules_session", __name__)

    @pages.post(f"{_SESSION}/later")
    def open_form(project_id: str, session_id: str) -> Response:
        """Keep the text of the composer, and show the form that asks when to send it."""
        lookup.at(project_id, session_id)
        if by_htmx():  # without a script the words are kept already, as by every button
            drafts.save_text(session_id, typed(request.form.get("prompt", "")))
        schedules.supervisor.changes(session_id).notify()
        address = url_for(".later", project_id=project_id, session_id=session_id)
        if by_htmx():
            return make_response("", 200, {"HX-Redirect": address})
        return redirect(address, 303)

    @pages.get(f"{_SESSION}/later")
    def later(project_id: str, session_id: str) -> str:
        lookup.at(project_id, session_id)
        return _form(project_id, session_id, drafts.get(session_id).text)

    @pages.post(f"{_SESSION}/later/send")
    def send(project_id: str, session_id: str) -> Response:
        """Keep the prompt for its time; the composer has it no longer."""
        location = lookup.at(project_id, session_id)
        words = typed(request.form.get("prompt", "")).strip()
        before = drafts.get(session_id)
        try:
            if before.files:
                raise BadForm("A prompt with files cannot be sent later. Remove the files first.")
            wanted = Wanted(Work("", words, location.session_id), _timing(project_id, session_id))
            schedules.add(wanted, by=current_identity(), origin=Origin.SEND_LATER)
        except (*REFUSALS, BadForm) as error:
            return make_response(_form(project_id, session_id, words, str(error)), 422)
        if before.text.strip() in ("", words, request.form.get("draft", "").strip()):
            drafts.save_text(session_id, "")
        schedules.supervisor.changes(session_id).notify()
        return redirect(session_url(project_id, session_id), 303)

    @pages.post("/schedules/after-limit/<session_id>/<until>")
    def after_limit(session_id: str, until: str) -> Response | str:
        """Go on with a session once its limit has been reset; a second tap changes nothing."""
        reset_at = whole_number(until, len(str(int(_LATEST))))
        if reset_at is None:
            abort(404)
        made = schedules.add_after_limit(session_id, float(reset_at), by=current_identity())
        return _back(made.work.session_id)

    @pages.post("/schedules/<schedule_id>/cancel")
    def cancel(schedule_id: str) -> Response | str:
        """Send a prompt of a session not at all; it goes back into an empty composer."""
        found, unsent = schedules.cancel(schedule_id, by=current_identity())
        session_id, is_later = found.work.session_id, found.origin is Origin.SEND_LATER
        if is_later and unsent and not drafts.get(session_id).text.strip():
            drafts.save_text(session_id, found.work.prompt)
            schedules.supervisor.changes(session_id).notify()
        return _back(session_id)

    @pages.post("/schedules/<schedule_id>/send")
    def send_now(schedule_id: str) -> Response | str:
        """Send a prompt of a session now that was not sent at its time."""
        schedules.run_now(schedule_id, by=current_identity())
        return _back(schedules.store.get(schedule_id).work.session_id)

    def _back(session_id: str) -> Response | str:
        if by_htmx():
            return render_template("alert.html", sentence="")
        if not session_id or not schedules.locations.exists(session_id):
            return redirect(url_for("schedules.page"), 303)
        location = schedules.locations.of(session_id)
        return redirect(session_url(location.claude_folder, location.session_id), 303)

    def _limit(project_id: str, session_id: str) -> ReachedLimit | None:
        blocks = list(lookup.read(project_id, session_id).conversation.blocks())
        return reached_limit(reversed(blocks), time.time())

    def _timing(project_id: str, session_id: str) -> Timing:
        if request.form.get("when") == AFTER_LIMIT:
            limit = _limit(project_id, session_id)
            if limit is None:
                raise InvalidSchedule("The limit has been reset by now. Send the prompt.")
            return once_at(planned.after_limit(limit.until), schedules.server_zone)
        return form.timing_in({**request.form, "kind": "once"})

    def _form(project_id: str, session_id: str, words: str, error: str = "") -> str:
        now, zone = time.time(), request.form.get("zone", schedules.default_zone())
        if zone not in zones.names():
            zone = schedules.server_zone
        limit = _limit(project_id, session_id)
        return render_template(
            "schedules/later.html",
            address=session_address(project_id, session_id),
            words=words,
            error=error,
            limit=limit,
            reset=inline_words(planned.after_limit(limit.until), zone, now) if limit else "",
            when=request.form.get("when", AFTER_LIMIT if limit else AT),
            at=request.form.get("at", _morning(zone, now)),
            zone=zone,
            zones=zones.names(),
        )

    return pages


def _morning(zone: str, now: float) -> str:
    """The next 7:00, at least some minutes ahead."""
    local = datetime.fromisoformat(now_in(zone, math.ceil(now) + 300))
    is_today = (local.hour, local.minute) < (7, 0)
    return f"{local.date() + timedelta(days=0 if is_today else 1)}{form.MORNING}"
