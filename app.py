"""The entry point for gunicorn: patches the standard library, then builds the app."""

import gc
import sys

from gevent import monkey

# gunicorn's worker has patched it already; a plain `import app` has not.
if not monkey.is_module_patched("socket"):
    monkey.patch_all()

from opcode_htmx.lib.late import collecting, imports

imports.find_quickly("opcode_htmx")

from opcode_htmx.app import plain_flask  # noqa: E402

plain_flask.load()

from opcode_htmx import create_app  # noqa: E402

# While a thread works for the event loop, this waits so long for the interpreter at each of its
# events and system calls; with the usual 5 ms, an answer that has ten of them waits for 50 ms
sys.setswitchinterval(0.001)

# Nearly all objects created here stay: collections would take 16 ms of a start to free a megabyte
# (each class with slots leaves the one it was made of), and one afterwards would block for 46 ms.
collecting.hardly()
app = create_app()
gc.freeze()
collecting.seldom()
