"""Compiles templates in a thread after the first start, which would take seconds longer otherwise.

They stay in a cache on disk until a page needs them. A template that a request needs earlier is
compiled by that request, in a thread, too.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import psutil
from flask.templating import Environment as FlaskEnvironment
from jinja2 import BytecodeCache, DictLoader, Environment, Template
from jinja2.bccache import Bucket
from jinja2.runtime import Context

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, run_in_thread
from opcode_htmx.web.assets.saved_templates import SavedTemplates
from opcode_htmx.web.server.url_rules import RoutesMissing

log = logging.getLogger(__name__)


def _is_of_a_page(name: str) -> bool:
    """False for the largest ones, the macros of blocks, which are compiled first."""
    return not name.startswith("transcript/")


class _Template(Template):
    """Its macros are made once for all templates that import them.

    Jinja would compare the names of all globals at each import, a twentieth of a page's time: an
    importing template may have some of its own. Ours have none.
    """

    def _get_default_module(self, ctx: Context | None = None) -> Any:
        return super()._get_default_module()


class LateEnvironment(FlaskEnvironment):
    """Flask's, which compiles in a thread: the macros of blocks would take a tenth of a second."""

    template_class = _Template

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        return run_in_thread(super().compile, *args, **kwargs)


def fill(
    cache: BytecodeCache, environment: Environment, before: Callable[[], object] = lambda: None
) -> None:
    """Compile every template of an environment that its cache has not; `before` each, call that."""
    slicer = TimeSlicer()  # to look whether the cache has them all takes 30 ms
    for name in sorted(environment.list_templates(), key=_is_of_a_page):
        slicer.step()
        try:
            _add(cache, environment, name, before)
        except RoutesMissing:  # it is logged; each request compiles what it needs
            break
        except Exception:  # it takes the pages that use it, and no other one
            log.exception("template %s cannot be compiled", name)
    gc.freeze()  # what is there now stays, so no collection needs to look at it
    run_in_thread(give_back_memory)  # else the thread keeps what compiling has freed


def forget_macros(environment: Environment) -> None:
    """After functions were added for templates: macros that were made before do not know them."""
    if environment.cache is not None:
        environment.cache.clear()


def give_back_memory() -> None:
    """Return to the system what the C library keeps for later: imports leave 8 MB of it."""
    if hasattr(psutil, "heap_trim"):  # not with every C library
        psutil.heap_trim()


def _add(
    cache: BytecodeCache, environment: Environment, name: str, before: Callable[[], object]
) -> None:
    loader = environment.loader or DictLoader({})
    source, filename, _ = loader.get_source(environment, name)
    key, checksum = cache.get_cache_key(name, filename), cache.get_source_checksum(source)
    bucket = Bucket(environment, key, checksum)
    if not _has(cache, bucket):
        before()
        bucket.code = run_in_thread(environment.compile, source, name, filename)
        cache.dump_bytecode(bucket)


def _has(cache: BytecodeCache, bucket: Bucket) -> bool:
    if isinstance(cache, SavedTemplates):  # without reading the code
        return cache.has(bucket)
    cache.load_bytecode(bucket)
    return bucket.code is not None
