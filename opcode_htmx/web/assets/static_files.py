"""Static files: the common ones by their name, those of a feature as `<feature>/<name>`.

A file `<name>.bundle` lists scripts by their names, a line each, and is served as all of them in
this order: one response has one head, and is compressed as a whole.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request, send_from_directory, url_for
from werkzeug.security import safe_join

from opcode_htmx.web.assets.minify import minified

ENDPOINT = "static"
BUNDLE = ".bundle"


class StaticFiles:
    """The folders of static files, and each file's hash, by which it may be cached for long."""

    def __init__(self, common: Path, features: Mapping[str, Path] | None = None) -> None:
        """`features` are the folders of features by the name of the feature."""
        self._common = common
        self._features = dict(features or {})

    def init_app(self, app: Flask) -> None:
        """Serve the files under `/static/`, unless the app has a static folder of its own."""
        if not app.has_static_folder:
            app.add_url_rule("/static/<path:filename>", ENDPOINT, self._send)

    def hash_of(self, name: str) -> str:
        """The first characters of the file's SHA-256; of a bundle, of all of its scripts."""
        folder, rest = self._locate(name)
        if rest.endswith(BUNDLE):
            hashes = "".join(map(self.hash_of, _listed(folder / rest)))
            return hashlib.sha256(hashes.encode()).hexdigest()[:12]
        path = f"{folder}/{rest}"
        try:
            found = os.stat(path)  # noqa: PTH116 - twenty for each page
        except (OSError, ValueError):
            # A page without one of its files beats no page; the missing file itself says 404.
            return "missing"
        return _digest(path, found.st_mtime_ns, found.st_size)

    def address(self, name: str) -> str:
        """The address of a file, with the hash of its content so that it may be cached for long."""
        return _address(request.script_root, name, self.hash_of(name))

    def minified(self, name: str) -> bytes | None:
        """The content of a script or style as it is served; None for other and missing files."""
        return _minified(*self._locate(name))

    def _locate(self, name: str) -> tuple[Path, str]:
        feature, _, rest = name.partition("/")
        if rest and feature in self._features:
            return self._features[feature], rest
        return self._common, name

    def _send(self, filename: str) -> Response:
        folder, rest = self._locate(filename)
        path = safe_join(str(folder), rest)
        if rest.endswith(BUNDLE) and path and Path(path).is_file():
            content: bytes | None = self._bundled(Path(path))
        else:
            content = _minified(folder, rest)
        if content is None:
            return send_from_directory(folder, rest)
        kind = "text/css" if rest.endswith(".css") else "text/javascript"
        response = Response(content, mimetype=kind)
        response.add_etag()
        response.make_conditional(request)
        return response

    def _bundled(self, path: Path) -> bytes:
        """The scripts of a bundle. A missing one leaves the others as they are."""
        parts = []
        for name in _listed(path):
            folder, rest = self._locate(name)
            content = _minified(folder, rest)
            if content is None and (folder / rest).is_file():
                content = (folder / rest).read_bytes()
            parts.append(content or b"")
        return b";\n".join(parts)


def _listed(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _minified(folder: Path, name: str) -> bytes | None:
    """The content of one of our scripts or styles; None for other files and missing ones."""
    path = safe_join(str(folder), name)
    try:
        return minified(Path(path)) if path else None
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=512)
def _address(_script_root: str, name: str, digest: str) -> str:
    """Of a static file. It is kept: a page has twenty, and to build one takes 0.1 ms."""
    return url_for(ENDPOINT, filename=name, v=digest)


@lru_cache(maxsize=256)
def _digest(path: str, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
