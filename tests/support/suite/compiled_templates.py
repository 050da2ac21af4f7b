"""Templates compiled once for all apps of a run of the tests: most of what a start would cost."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import CodeType

from flask import Flask
from flask.templating import Environment
from jinja2 import FileSystemBytecodeCache, TemplateError
from jinja2.bccache import Bucket

from tests.support.suite.shared import FOLDER


class CompiledTemplates(FileSystemBytecodeCache):
    """Code in memory, which a fork inherits, and in a folder for the other processes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._known: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        known = self._known.get((bucket.key, bucket.checksum))
        if known is None:
            super().load_bytecode(bucket)
            self._remember(bucket)
        else:
            bucket.code = known

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._remember(bucket)
        super().dump_bytecode(bucket)

    def _remember(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._known[bucket.key, bucket.checksum] = bucket.code

    def use_in_new_apps(self) -> None:
        """Have all apps that this process makes from now on take their templates from here."""
        Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": self}

    def fill(self) -> None:
        """Compile all templates, or read them if another process has done so.

        Those with filters of a feature are left to the first app that has the feature.
        """
        from opcode_htmx.app import platform, registry  # not before the library is patched

        environment = platform.make_app(registry.FEATURES).jinja_env
        loader = environment.loader
        assert loader
        with Path(self.directory, "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in environment.list_templates():
                source, file, _ = loader.get_source(environment, name)
                bucket = self.get_bucket(environment, name, file, source)
                if bucket.code is None:
                    with contextlib.suppress(TemplateError):
                        # without the app's thread, which would start an event loop
                        bucket.code = Environment.compile(environment, source, name, file)
                        self.dump_bytecode(bucket)


def common_folder() -> Path:
    """That of all processes of a run of pytest; elsewhere this process's, removed at its end."""
    if FOLDER in os.environ:
        found = Path(os.environ[FOLDER], "templates")
        found.mkdir(exist_ok=True)
        return found
    own = tempfile.mkdtemp(prefix="templates-")
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return Path(own)
