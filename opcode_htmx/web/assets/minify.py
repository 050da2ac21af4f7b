"""Remove comments and white space from our scripts and styles as they are served."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import rcssmin
import rjsmin

_MINIFIERS = {".js": rjsmin.jsmin, ".css": rcssmin.cssmin}


def minified(path: Path) -> bytes | None:
    """The content of a script or style in fewer bytes; None for any other file.

    Files named `.min.` are minified already. Raises OSError, and UnicodeDecodeError when the file
    is not UTF-8.
    """
    if path.suffix not in _MINIFIERS or ".min." in path.name:
        return None
    stat = path.stat()
    return _minify(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _minify(path: Path, _mtime_ns: int, _size: int) -> bytes:
    text: str = _MINIFIERS[path.suffix](path.read_text(encoding="utf-8"))
    return text.encode()
