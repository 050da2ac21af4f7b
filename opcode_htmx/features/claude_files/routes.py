"""The pages of the files: the list, the editor, and the earlier versions of one."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import secrets
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.secrets import SecretMissing
from opcode_htmx.features.claude_files.catalog import (
    MOST_DELETED,
    ConfigFile,
    files_of,
    find,
    problems_of,
    read,
)
from opcode_htmx.lib.files.versioned_files import (
    FileChanged,
    FileRefused,
    FileText,
)
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.flash import flash, flashed, redirect_with_notice
from opcode_htmx.web.http.forms import typed

MOST_PROJECTS = 50


def blueprint(configuration: Configuration) -> Blueprint:
    pages = Blueprint("claude_files", __name__)

    def named(name: str, folder: str) -> tuple[ChosenProject, ConfigFile]:
        chosen = configuration.chosen(folder)
        found = find(configuration, chosen, name)
        if found is None:
            abort(404, description="There is no such file, or it needs a project.")
        return chosen, found

    @pages.get("/claude/files")
    def page() -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        return render_template(
            "claude_files/files.html",
            chosen=chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            files=files_of(configuration, chosen),
            deleted=configuration.files.all_deleted()[:MOST_DELETED],
            notice=flashed()[0],
        )

    @pages.post("/claude/files/deleted/<deleted_id>")
    def put_back(deleted_id: str) -> BaseResponse:
        """Write a file again that was deleted here."""
        configuration.put_back(deleted_id, current_identity())
        return redirect_with_notice(local_path(request.form.get("back")), "file-restored")

    @pages.get("/claude/files/<file_name>")
    def file(file_name: str) -> str:
        chosen, found = named(file_name, request.args.get("folder", ""))
        return editor(file_name, chosen, found, read(configuration, found))

    @pages.post("/claude/files/<file_name>")
    def save(file_name: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        chosen, found = named(file_name, form.get("folder", ""))
        text, based_on = typed(form.get("text", "")), form.get("revision", "")
        try:
            configuration.save_text(
                found.place, text, based_on, current_identity(), is_json=found.is_json
            )
        except FileChanged as error:
            shown = FileText(text, error.current.revision)
            return editor(file_name, chosen, found, shown, current=error.current), 409
        except (InvalidJson, SecretMissing, FileRefused) as error:
            return editor(file_name, chosen, found, FileText(text, based_on), str(error)), 422
        response = redirect(
            url_for(".file", file_name=file_name, folder=chosen.reference or None), 303
        )
        flash(response, "file-saved")
        return response

    @pages.get("/claude/files/<file_name>/versions/<version_id>")
    def version(file_name: str, version_id: str) -> str:
        chosen, found = named(file_name, request.args.get("folder", ""))
        text = configuration.files.version(found.place, version_id)
        if text is None:
            abort(404, description="This version is no longer kept.")
        return render_template(
            "claude_files/version.html",
            name=file_name,
            chosen=chosen,
            file=found,
            version=next(v for v in configuration.versions(found.place) if v.id == version_id),
            text=secrets.hidden(text) if found.is_json else text,
            revision=configuration.files.read(found.place).revision,
        )

    @pages.post("/claude/files/<file_name>/versions/<version_id>")
    def restore(file_name: str, version_id: str) -> BaseResponse | tuple[str, int]:
        chosen, found = named(file_name, request.form.get("folder", ""))
        text = configuration.files.version(found.place, version_id)
        if text is None:
            abort(404, description="This version is no longer kept.")
        based_on = request.form.get("revision", "")
        try:
            configuration.save(found.place, text, based_on, current_identity())
        except FileChanged as error:
            shown = FileText(secrets.hidden(text) if found.is_json else text, based_on)
            shown = FileText(shown.text, error.current.revision)
            return editor(file_name, chosen, found, shown, current=read(configuration, found)), 409
        response = redirect(
            url_for(".file", file_name=file_name, folder=chosen.reference or None), 303
        )
        flash(response, "file-restored")
        return response

    def editor(
        name: str,
        chosen: ChosenProject,
        found: ConfigFile,
        shown: FileText,
        error: str = "",
        current: FileText | None = None,
    ) -> str:
        """The editor with a text; `current` is what the file holds, where that is another one."""
        return render_template(
            "claude_files/file.html",
            name=name,
            chosen=chosen,
            file=found,
            shown=shown,
            error=error,
            current=current,
            problems=problems_of(configuration, found, shown.text),
            versions=configuration.versions(found.place),
            notice=flashed()[0],
        )

    return pages
