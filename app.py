"""What gunicorn loads: the standard library made cooperative, then the app."""

import gc
import mimetypes

from gevent import monkey

# gunicorn's worker has patched already; a plain `import app` has not.
if not monkey.is_module_patched("socket"):
    monkey.patch_all()

from opcode_htmx import create_app

app = create_app()

# To compile a template when it is first asked for would hold everything up; so would reading the
# system's table of file types, and looking for garbage in what is there by now, which stays
mimetypes.init()
for name in app.jinja_env.list_templates():
    app.jinja_env.get_template(name)
gc.collect()
gc.freeze()
# Looking through all that is there takes up to 90 ms, so it is done after a million new objects,
# and not after seventy thousand
gc.set_threshold(2000, 10, 50)
