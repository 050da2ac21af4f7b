"""Compiles templates in a thread after the start, which would take 0.1 seconds longer otherwise.

Those that a cache on disk has are only loaded.

A template that a request needs earlier is compiled by that request. The largest ones, the macros of
blocks, are compiled while the app is built.
"""

from __future__ import annotations

import gc
import logging
from types import CodeType

import psutil
from jinja2 import BytecodeCache, DictLoader, Environment
from jinja2.bccache import Bucket

from opcode_htmx.lib.concurrency.cooperative import run_in_thread

log = logging.getLogger(__name__)


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
        """Compile and load every template of an environment, which must use this cache."""
        for name in environment.list_templates():
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
        bucket = self.get_bucket(environment, name, filename, source)
        if bucket.key in self._loaded:
            return
        if bucket.code is None:
            bucket.code = run_in_thread(environment.compile, source, name, filename)
            self._keep(bucket)
        self._compiled[bucket.key, bucket.checksum] = bucket.code
        environment.get_template(name)

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
