"""The app with two more addresses: the greenlets and the heap of its process."""

import gc

import psutil
from greenlet import greenlet

from app import app

__all__ = ["app"]


@app.get("/greenlets")
def greenlets() -> dict[str, int]:
    gc.collect()
    alive = [each for each in gc.get_objects() if isinstance(each, greenlet) and not each.dead]
    return {"count": len(alive)}


@app.get("/heap")
def heap() -> dict[str, int]:
    """Bytes in use; what the allocator keeps for later is not among them."""
    gc.collect()
    used = psutil.heap_info()
    return {"bytes": used.heap_used + used.mmap_used}
