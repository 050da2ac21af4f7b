"""What gunicorn loads: the standard library made cooperative, then the app."""

from gevent import monkey

# gunicorn's worker has patched already; a plain `import app` has not.
if not monkey.is_module_patched("socket"):
    monkey.patch_all()

from opcode_htmx import create_app

app = create_app()
app.extensions["opcode_stalls"].start()
