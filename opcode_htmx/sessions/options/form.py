"""How Claude works in a session, as choices in words: model, effort, mode, and leaving.

What is shown as chosen is what is in force, as far as Claude has told it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.engines.capabilities import DEFAULT_MODEL, Model
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.rendering.permissions import MODES
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import RUN_COMMANDS, RunCommand
from opcode_htmx.runs.model.permission_updates import BYPASS
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.runs.options.store import Options
from opcode_htmx.runs.policies.viewer_presence import in_words

RENDERED = 64
"""How many are kept: a page asks many times a second."""

OFFERED_MODES = ("default", "acceptEdits", "plan", BYPASS)
EFFORTS = {
    "low": "Low",
    "medium": "Medium",
    "high": "High",
    "xhigh": "Extra high",
    "max": "Maximum",
}
_IN_SHORT = {
    "default": "asks first",
    "acceptEdits": "accepts edits",
    "plan": "plans first",
    "auto": "auto",
    "dontAsk": "never asks",
    BYPASS: "never asks: bypass",
}


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One list to choose from, and what is chosen."""

    name: str
    label: str
    choices: tuple[Choice, ...]
    chosen: str


@dataclass(frozen=True, slots=True)
class OptionsView:
    """The controls, and in one line what is in force."""

    fields: tuple[Field, ...]
    keep_running: bool
    grace: str
    now: str
    bypass: bool
    """Whether Claude does everything without asking, or will when it starts."""
    bypass_offered: bool
    models_known: bool


WITHOUT = "without"
"""The value of a choice: start without the project's settings."""
_PROJECT_SETTINGS = (
    Choice(WITHOUT, "Without its settings"),
    Choice("", "With its settings"),
)


class EffectiveOptions(NamedTuple):
    """What is in force in a session, and what was chosen for it."""

    models: tuple[Model, ...]
    options: Options
    live: bool
    mode: str
    model: str
    effort: str
    keep: bool
    isolated: bool
    """Whether the process that runs was started without the settings of its project."""


@dataclass(frozen=True, slots=True)
class OptionsPresenter:
    """Puts the choices of a session together. One for the server."""

    choosing: SessionOptionsService
    grace: float
    """Seconds after the last viewer has gone."""

    @property
    def allow_bypass(self) -> bool:
        """Whether bypass mode may be offered."""
        return self.choosing.allow_bypass

    def view(self, session_id: str, run: Run | None = None) -> OptionsView:
        """The choices of a session whose newest run is `run`."""
        return self.view_of(self.standing(session_id, run))

    def standing(self, session_id: str, run: Run | None = None) -> EffectiveOptions:
        """All that the choices depend on, which is quicker to find out than to put together."""
        choosing = self.choosing
        options = choosing.options(session_id)
        live = run if run and run.phase in RUN_COMMANDS[RunCommand.CHANGE] else None
        return EffectiveOptions(
            models=choosing.models(run),
            options=options,
            live=live is not None,
            mode=_mode(live, choosing.permission_mode(session_id)),
            model=(live and live.state.model) or options.model or "",
            effort=_effort(live, options),
            keep=choosing.keeps_running(session_id),
            isolated=live is not None and argv.is_isolated(live.record.argv),
        )

    def view_of(self, standing: EffectiveOptions) -> OptionsView:
        choosing = self.choosing
        models, options, live, mode, model, effort, keep, isolated = standing
        chosen = WITHOUT if options.project_settings is False else ""
        fields = [
            Field("model", "Model", _models(models, options.model), options.model or ""),
            Field("effort", "Effort", _efforts(models, model, effort), effort),
            Field(
                "permission_mode",
                "Mode",
                tuple(_modes(mode, live, choosing.allow_bypass)),
                mode,
            ),
        ]
        if chosen or isolated:
            fields.append(Field("project_settings", "Project", _PROJECT_SETTINGS, chosen))
        return OptionsView(
            fields=tuple(fields),
            keep_running=keep,
            grace=in_words(self.grace),
            now=_now(models, model, effort, mode, keep, _project_now(live, isolated, chosen)),
            bypass=mode == BYPASS,
            bypass_offered=choosing.allow_bypass,
            models_known=bool(models),
        )


class OptionsParts:
    """The options of a session as elements that can be replaced."""

    def __init__(self, environment: Environment, chooser: OptionsPresenter) -> None:
        self._macros = environment.get_template("session/options.html").module
        self._chooser = chooser
        self._rendered: OrderedDict[str, tuple[EffectiveOptions, dict[str, Markup]]] = OrderedDict()

    def parts(self, session_id: str, run: Run | None) -> dict[str, Markup]:
        """The elements by id; rendered anew only where something differs."""
        standing = self._chooser.standing(session_id, run)
        known = self._rendered.pop(session_id, None)
        if known is None or known[0] != standing:
            known = standing, self._render(self._chooser.view_of(standing))
        self._rendered[session_id] = known
        if len(self._rendered) > RENDERED:
            self._rendered.popitem(last=False)
        return known[1]

    def _render(self, view: OptionsView) -> dict[str, Markup]:
        return {
            "in-force": self._macros.in_force(view),  # type: ignore[attr-defined]
            "bypass": self._macros.bypass(view),  # type: ignore[attr-defined]
            "options": self._macros.options(view),  # type: ignore[attr-defined]
        }


def _mode(run: Run | None, at_start: str | None) -> str:
    """The mode in force or, without a process, the one that the next one starts in."""
    if run:
        return run.state.permission_mode or argv.option(run.record.argv, "--permission-mode")
    return at_start or ""


def _effort(run: Run | None, options: Options) -> str:
    if run is None:
        return options.effort or ""
    set_since = run.state.effort
    return argv.option(run.record.argv, "--effort") if set_since is None else set_since


def _models(models: Sequence[Model], chosen: str | None) -> tuple[Choice, ...]:
    known = [Choice(each.value, _name(each)) for each in models if each.value != DEFAULT_MODEL]
    default = next((each for each in models if each.value == DEFAULT_MODEL), None)
    now = _name_of(models, default.resolved) if default else ""
    first = Choice("", f"Claude’s default ({now})" if now else "Claude’s default")
    missing = [Choice(chosen, chosen)] if chosen and chosen not in {c.value for c in known} else []
    return (first, *known, *missing)


def _efforts(models: Sequence[Model], model: str, chosen: str) -> tuple[Choice, ...]:
    found = _find(models, model or DEFAULT_MODEL)
    values = list(found.efforts) if found else list(EFFORTS)
    if chosen and chosen not in values:
        values.append(chosen)
    return (Choice("", "Claude’s default"), *(Choice(v, EFFORTS.get(v, v)) for v in values))


def _modes(mode: str, live: bool, allow_bypass: bool) -> Iterator[Choice]:
    if not live or not mode:
        yield Choice("", "As Claude’s settings say")
    offered = [each for each in OFFERED_MODES if each != BYPASS or allow_bypass]
    for each in [*offered, *([mode] if mode and mode not in offered else [])]:
        yield Choice(each, MODES.get(each, each))


def _project_now(live: bool, isolated: bool, chosen: str) -> str:
    """What of the project's settings holds now, and from the next start on."""
    if live and isolated != (chosen == WITHOUT):
        how = "without" if chosen == WITHOUT else "with"
        return f"{how} the project’s settings from the next start"
    return "without the project’s settings" if chosen == WITHOUT else ""


def _now(
    models: Sequence[Model], model: str, effort: str, mode: str, keep: bool, project: str
) -> str:
    said: Iterable[str] = (
        _name_of(models, model) or "Claude’s default model",
        f"{EFFORTS.get(effort, effort).lower()} effort" if effort else "",
        _IN_SHORT.get(mode, mode),
        project,
        "" if keep else "stops when you leave",
    )
    return " · ".join(filter(None, said))


def _find(models: Sequence[Model], model: str) -> Model | None:
    named = (each for each in models if model in (each.value, each.resolved))
    # the default's entry says "default", which is no name
    return min(named, key=lambda each: each.value == DEFAULT_MODEL, default=None)


def _name_of(models: Sequence[Model], model: str) -> str:
    found = _find(models, model) if model else None
    return _name(found) if found else model


def _name(model: Model) -> str:
    """As Claude calls it, with its version where the description begins with that."""
    first = model.description.partition(" · ")[0]
    return first if first.startswith(model.name) and len(first) <= 24 else model.name
