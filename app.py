"""The entry point for gunicorn: patches the standard library, then builds the app."""

import gc
import mimetypes

from gevent import monkey

# gunicorn's worker has patched it already; a plain `import app` has not.
if not monkey.is_module_patched("socket"):
    monkey.patch_all()

from opcode_htmx import create_app

app = create_app()

# Later these would block all requests: compiling a template, reading the system's table of file
# types, and collecting garbage among the objects created so far, which stay
mimetypes.init()
for name in app.jinja_env.list_templates():
    app.jinja_env.get_template(name)
gc.collect()
gc.freeze()
# A full collection takes up to 90 ms, so it runs after a million new objects, not after seventy
# thousand
gc.set_threshold(2000, 10, 50)
