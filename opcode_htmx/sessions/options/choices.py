"""Read and check the changes that the user made in the form for a session's options.

The form also sends the value that each field had when the page was rendered. Only fields that the
user has changed since are changed, so that an old page does not revert the choices of another
device.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.sessions.options.form import EFFORTS, OFFERED_MODES, WITHOUT
from opcode_htmx.web.http.forms import BadForm

_MODEL = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,127}")
"""A model's name; it becomes a command-line argument, so it must not begin with a dash."""


_PROJECT = ("", WITHOUT)


def choices(
    form: Mapping[str, str], choosing: SessionOptionsService
) -> dict[str, str | bool | None]:
    """The changed options by name; None: back to the default. Raises BadForm, BypassNotAllowed."""
    changed: dict[str, str | bool | None] = {}
    models = choosing.models()
    efforts = {*EFFORTS, *(effort for model in models for effort in model.efforts)}
    for name, known in (
        ("model", {model.value for model in models}),
        ("effort", efforts),
        ("permission_mode", set(OFFERED_MODES)),
    ):
        value = form.get(name, "")
        if name in form and value != form.get(f"was_{name}", ""):
            changed[name] = _checked(name, value, known) if value else None
    project = form.get("project_settings", "")
    if "project_settings" in form and project != form.get("was_project_settings", ""):
        changed["project_settings"] = False if _checked("project", project, _PROJECT) else None
    choosing.check(changed.get("permission_mode"))
    if "was_keep_running" in form:
        keep = "keep_running" in form
        if keep != bool(form["was_keep_running"]):
            changed["keep_running"] = keep
    return changed


def _checked(name: str, value: str, known: Collection[str]) -> str:
    # Claude does not list every model; it reports itself if there is no such model
    if value in known or (name == "model" and _MODEL.fullmatch(value)):
        return value
    raise BadForm("There is no such choice: reload the page and choose again.")
