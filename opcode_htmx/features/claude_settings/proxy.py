"""The page of the proxy: environment variables of Claude's sessions, in the user's settings."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.redaction import HIDDEN, in_url
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.lib.files.versioned_files import FileChanged
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice

FIELDS = {"https": "HTTPS_PROXY", "http": "HTTP_PROXY", "all": "ALL_PROXY", "no": "NO_PROXY"}
"""The fields of the form, and the variables that they set."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Always exempt: a proxy elsewhere cannot reach what listens on this computer."""
_SCHEMES = ("http", "https", "socks5", "socks5h")


class InvalidProxy(Exception):
    """The address of a proxy that cannot be used; the text says why."""


def add_to(pages: Blueprint, configuration: Configuration) -> None:
    """The routes of the page."""
    user = ChosenProject()
    place = configuration.settings_places(user)[Scope.USER]

    @pages.get("/claude/proxy")
    def proxy() -> str:
        file = configuration.files.read(place)
        return form(_shown(_variables(file.text)), file.revision)

    @pages.post("/claude/proxy")
    def save_proxy() -> BaseResponse | tuple[str, int]:
        fields = {name: request.form.get(name, "").strip() for name in FIELDS}
        based_on = request.form.get("revision", "")
        text = configuration.files.read(place).text
        try:
            for name, value in variables_of(fields, _variables(text)).items():
                path = ("env", name)
                text = (
                    json_text.with_value(text, path, value)
                    if value
                    else json_text.without(text, path)
                )
            configuration.save(place, text, based_on, current_identity())
        except InvalidProxy as error:
            return form(fields, based_on, str(error)), 422
        except FileChanged as error:
            return form(fields, error.current.revision, f"{error} Save again to replace it."), 409
        return redirect_with_notice(url_for(".proxy"), "proxy-saved")

    def form(fields: Mapping[str, str], revision: str, error: str = "") -> str:
        return render_template(
            "claude_settings/proxy.html",
            fields=fields,
            revision=revision,
            error=error,
            loopback=LOOPBACK,
            notice=flashed()[0],
        )


def variables_of(fields: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """The variables for what was typed; empty ones are to be removed. Raises InvalidProxy.

    A password that is hidden keeps the value that it has in `before`.
    """
    proxies = {FIELDS[name]: fields.get(name, "") for name in ("https", "http", "all")}
    for variable, text in proxies.items():
        if HIDDEN in text:
            if in_url(before.get(variable, "")) != text:
                raise InvalidProxy("Type the password again: the address has changed.")
            proxies[variable] = before[variable]
        elif text:
            _check(text)
    if not any(proxies.values()):
        return dict.fromkeys(FIELDS.values(), "")
    exempt = [each.strip() for each in fields.get("no", "").replace(" ", ",").split(",")]
    names = dict.fromkeys([*filter(None, exempt), *LOOPBACK])
    return {**proxies, "NO_PROXY": ",".join(names)}


def _check(text: str) -> None:
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise InvalidProxy(f"“{text}” is no address of a proxy, such as http://proxy.lan:3128.")


def _variables(text: str) -> dict[str, str]:
    env = json_text.parse(text).get("env")
    found = env if isinstance(env, dict) else {}
    return {name: str(found.get(name, "")) for name in FIELDS.values()}


def _shown(variables: Mapping[str, str]) -> dict[str, str]:
    """The fields for the variables, with passwords hidden, and without what is always exempt."""
    shown = {name: in_url(variables[variable]) for name, variable in FIELDS.items() if name != "no"}
    exempt = [each for each in variables["NO_PROXY"].split(",") if each not in LOOPBACK]
    return {**shown, "no": ", ".join(filter(None, exempt))}
