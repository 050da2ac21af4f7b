"""The app with one more address: the number of greenlets in its process."""

import gc

from greenlet import greenlet

from app import app

__all__ = ["app"]


@app.get("/greenlets")
def greenlets() -> dict[str, int]:
    gc.collect()
    alive = [each for each in gc.get_objects() if isinstance(each, greenlet) and not each.dead]
    return {"count": len(alive)}
