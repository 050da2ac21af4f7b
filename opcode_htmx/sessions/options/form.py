"""The contents of the form for a session's options: model, effort, mode, and disconnect policy.

The selected values are those in effect, as far as Claude has reported them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from jinja2 import Environment
from jinja2.environment import TemplateModule
from markupsafe import Markup

from opcode_htmx.engines.capabilities import DEFAULT_MODEL, Model
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.rendering.asks.permissions import MODES
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import RUN_COMMANDS, RunCommand
from opcode_htmx.runs.model.permission_updates import BYPASS
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.runs.options.store import Options
from opcode_htmx.runs.policies.viewer_presence import in_words

RENDERED = 64
"""Sessions whose rendered options are cached: a page needs them many times a second."""

OFFERED_MODES = ("default", "acceptEdits", "plan", BYPASS)
EFFORTS = {
    "low": "Low",
    "medium": "Medium",
    "high": "High",
    "xhigh": "Extra high",
    "max": "Maximum",
}
_SHORT_MODES = {
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
    """A list of choices, and the selected value."""

    name: str
    label: str
    choices: tuple[Choice, ...]
    chosen: str


@dataclass(frozen=True, slots=True)
class OptionsView:
    """The fields of the form, and a line with the options in effect."""

    fields: tuple[Field, ...]
    keep_running: bool
    grace: str
    now: str
    bypass: bool
    """Whether bypass mode is in effect, or will be from the next start on."""
    bypass_offered: bool
    models_known: bool


WITHOUT = "without"
"""The value for starting without the project's settings."""
_PROJECT_SETTINGS = (
    Choice(WITHOUT, "Without its settings"),
    Choice("", "With its settings"),
)


class EffectiveOptions(NamedTuple):
    """The options in effect in a session, and those chosen for it."""

    models: tuple[Model, ...]
    options: Options
    live: bool
    mode: str
    model: str
    effort: str
    keep: bool
    isolated: bool
    """Whether the running process was started without the settings of its project."""


@dataclass(frozen=True, slots=True)
class OptionsPresenter:
    """Builds the form for a session's options. One instance serves all sessions."""

    choosing: SessionOptionsService
    grace: float
    """Seconds from the disconnect of the last viewer until the run is stopped."""

    @property
    def allow_bypass(self) -> bool:
        """Whether bypass mode may be offered."""
        return self.choosing.allow_bypass

    def view(self, session_id: str, runs: Sequence[Run] = ()) -> OptionsView:
        """The form for a session with these runs, the oldest first."""
        return self.view_of(self.standing(session_id, runs))

    def standing(self, session_id: str, runs: Sequence[Run] = ()) -> EffectiveOptions:
        """All that the form depends on; a cache key, as it is cheaper than building the form."""
        choosing = self.choosing
        options = choosing.options(session_id)
        run = runs[-1] if runs else None
        live = run if run and run.phase in RUN_COMMANDS[RunCommand.CHANGE] else None
        return EffectiveOptions(
            models=choosing.models(run),
            options=options,
            live=live is not None,
            mode=_mode(live, choosing.permission_mode(session_id, options)),
            model=(live and live.state.model) or options.model or _own_model(runs),
            effort=_effort(live, options),
            keep=choosing.keeps_running(session_id, options),
            isolated=live is not None and argv.is_isolated(live.record.argv),
        )

    def view_of(self, standing: EffectiveOptions) -> OptionsView:
        """The form for given options."""
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
    """Renders the options of a session as elements that can be replaced on a page."""

    def __init__(self, environment: Environment, chooser: OptionsPresenter) -> None:
        self._environment = environment
        self._chooser = chooser
        self._rendered: OrderedDict[str, tuple[EffectiveOptions, dict[str, Markup]]] = OrderedDict()

    @cached_property
    def _macros(self) -> TemplateModule:
        return self._environment.get_template("session/options.html").module

    def parts(self, session_id: str, runs: Sequence[Run]) -> dict[str, Markup]:
        """The elements by id, for a session with these runs; cached until something differs."""
        standing = self._chooser.standing(session_id, runs)
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
    """The mode in effect or, without a process, the one in which the next process starts."""
    if run:
        return run.state.permission_mode or argv.option(run.record.argv, "--permission-mode")
    return at_start or ""


def _own_model(runs: Sequence[Run]) -> str:
    """The model that Claude took by itself in the newest run that was started without one."""
    named = (run for run in reversed(runs) if not argv.option(run.record.argv, "--model"))
    return next(filter(None, (run.state.first_model for run in named)), "")


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
    """A note on the project's settings, now and from the next start on; or empty."""
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
        _SHORT_MODES.get(mode, mode),
        project,
        "" if keep else "stops when you leave",
    )
    return " · ".join(filter(None, said))


def _find(models: Sequence[Model], model: str) -> Model | None:
    named = (each for each in models if model in (each.value, each.resolved))
    # prefer other entries to the default's, which has no name of its own
    return min(named, key=lambda each: each.value == DEFAULT_MODEL, default=None)


def _name_of(models: Sequence[Model], model: str) -> str:
    found = _find(models, model) if model else None
    return _name(found) if found else model


def _name(model: Model) -> str:
    """The name of a model, with its version if the description begins with that."""
    first = model.description.partition(" · ")[0]
    return first if first.startswith(model.name) and len(first) <= 24 else model.name
