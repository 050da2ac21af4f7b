"""Compiles templates in a thread after the first start, which would take seconds longer otherwise.

Those that a cache on disk has stay there until a page needs them. A template that a request needs
earlier is compiled by that request, in a thread, too.
"""

from __future__ import annotations

import gc
import logging
from types import CodeType
from typing import Any

import psutil
from flask.templating import Environment as FlaskEnvironment
from jinja2 import BytecodeCache, DictLoader, Environment
from jinja2.bccache import Bucket

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.web.assets.saved_templates import SavedTemplates

log = logging.getLogger(__name__)


def _is_of_a_page(name: str) -> bool:
    """False for the largest ones, the macros of blocks, which are compiled first."""
    return not name.startswith("transcript/")


class LateEnvironment(FlaskEnvironment):
    """Flask's, which compiles in a thread: the macros of blocks would take a tenth of a second."""

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        return run_in_thread(super().compile, *args, **kwargs)


class TemplateCache(BytecodeCache):
    """Compiled templates that an environment has not loaded yet."""

    def __init__(self, beyond: BytecodeCache | None = None) -> None:
        """`beyond` is a cache that outlives this process, if there is one."""
        self._beyond = beyond
        self._compiled: dict[tuple[str, str], CodeType] = {}
        """By the key and the checksum of a bucket."""
        self._loaded: set[str] = set()
        """The keys of templates that the environment has compiled itself."""

    def fill(self, environment: Environment) -> None:
        """Compile every template of an environment, which must use this cache.

        Without a cache beyond this one they are loaded, too.
        """
        for name in sorted(environment.list_templates(), key=_is_of_a_page):
            try:
                self._load(environment, name)
            except Exception:  # it takes the pages that use it, and no other one
                log.exception("template %s cannot be compiled", name)
        self._compiled.clear()
        gc.freeze()  # the templates stay, so no collection needs to look at them
        if hasattr(psutil, "heap_trim"):  # not with every C library
            run_in_thread(psutil.heap_trim)  # else the thread keeps what compiling has freed

    def _load(self, environment: Environment, name: str) -> None:
        loader = environment.loader or DictLoader({})
        source, filename, _ = loader.get_source(environment, name)
        key, checksum = self.get_cache_key(name, filename), self.get_source_checksum(source)
        bucket = Bucket(environment, key, checksum)
        if key in self._loaded or self._is_beyond(bucket):
            return
        bucket.code = run_in_thread(environment.compile, source, name, filename)
        self._keep(bucket)
        if not self._beyond:
            self._compiled[key, checksum] = bucket.code
            environment.get_template(name)

    def _is_beyond(self, bucket: Bucket) -> bool:
        if isinstance(self._beyond, SavedTemplates):
            return self._beyond.has(bucket)
        if self._beyond:
            self._beyond.load_bytecode(bucket)
        return bucket.code is not None

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))
        if bucket.code is None and self._beyond:
            self._beyond.load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._loaded.add(bucket.key)  # the environment keeps the template itself
        self._keep(bucket)

    def _keep(self, bucket: Bucket) -> None:
        if self._beyond:
            self._beyond.dump_bytecode(bucket)
