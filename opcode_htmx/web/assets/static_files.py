"""Static files: the common ones by their name, those of a feature as `<feature>/<name>`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request, send_from_directory
from werkzeug.security import safe_join

from opcode_htmx.web.assets.minify import minified

ENDPOINT = "static"


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
        """The first characters of the file's SHA-256."""
        folder, rest = self._locate(name)
        path = folder / rest
        try:
            stat = path.stat()
        except (OSError, ValueError):
            # A page without one of its files beats no page; the missing file itself says 404.
            return "missing"
        return _digest(path, stat.st_mtime_ns, stat.st_size)

    def _locate(self, name: str) -> tuple[Path, str]:
        feature, _, rest = name.partition("/")
        if rest and feature in self._features:
            return self._features[feature], rest
        return self._common, name

    def _send(self, filename: str) -> Response:
        folder, rest = self._locate(filename)
        content = _minified(folder, rest)
        if content is None:
            return send_from_directory(folder, rest)
        kind = "text/css" if rest.endswith(".css") else "text/javascript"
        response = Response(content, mimetype=kind)
        response.add_etag()
        response.make_conditional(request)
        return response


def _minified(folder: Path, name: str) -> bytes | None:
    """The content of one of our scripts or styles; None for other files and missing ones."""
    path = safe_join(str(folder), name)
    try:
        return minified(Path(path)) if path else None
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def _digest(path: Path, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
