"""What each process of the server goes without: a module that is loaded takes memory for good."""

from __future__ import annotations

from pathlib import Path

from tests.app.pages.test_late_pages import environment
from tests.golden.parts import probe
from tests.support.environment import Sandbox

ARBITER = """
import json, sys
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter

sys.argv = ["gunicorn", "-c", "gunicorn.conf.py", "app:app"]
arbiter = Arbiter(WSGIApplication("%(prog)s [OPTIONS]"))
print(json.dumps([arbiter.worker_class.__name__, sorted(sys.modules)]))
"""
WORKER = """
import json, sys
import app
print(json.dumps(sorted(sys.modules)))
"""
GUNICORN = """
import json, sys
from opcode_htmx.web.server.late_worker import load_gevent
load_gevent()
loaded = sorted(sys.modules)

import gevent.pywsgi
from gevent import monkey
from packaging.version import parse
from zope.interface import Interface

monkey.patch_all()
classes = (gevent.pywsgi.WSGIHandler, type(Interface), type(parse("1.2")))
real = [each.__module__ for each in classes]
print(json.dumps([loaded, real]))
"""
INDEXER = """
import json, sys
import opcode_htmx.sessions.index.indexer
print(json.dumps(sorted(sys.modules)))
"""


def test_the_arbiter_does_without_gevent(sandbox: Sandbox, stand_in: Path) -> None:
    worker, loaded = probe.printed(ARBITER, environment(sandbox, stand_in))
    assert worker == "LateWorker"
    assert "gunicorn.config" in loaded
    assert not {"gevent", "greenlet", "flask", "opcode_htmx.app.factory"} & set(loaded)


def test_the_indexer_does_without_gevent_and_subprocess(sandbox: Sandbox, stand_in: Path) -> None:
    loaded = probe.printed(INDEXER, environment(sandbox, stand_in))
    assert "sqlite3" in loaded
    assert not {"gevent", "greenlet", "subprocess", "flask"} & set(loaded)


def test_a_worker_does_without_sessions_and_what_flask_and_jinja_rarely_need(
    sandbox: Sandbox, stand_in: Path
) -> None:
    loaded = probe.printed(WORKER, environment(sandbox, stand_in))
    assert {"flask", "jinja2.environment"} <= set(loaded)
    rare = {"click", "cronsim", "flask.cli", "http.server", "jinja2.compiler", "werkzeug.test"}
    assert not rare & set(loaded)
    assert "opcode_htmx.sessions.views" in loaded
    of_sessions = {"markup.markdown", "markup.diff", "rendering.fragments", "transcript.fold"}
    assert not {f"opcode_htmx.{name}" for name in of_sessions} & set(loaded)


def test_gunicorns_worker_is_imported_without_what_it_hardly_uses(
    sandbox: Sandbox, stand_in: Path
) -> None:
    loaded, real = probe.printed(GUNICORN, environment(sandbox, stand_in))
    assert {"gunicorn.workers.ggevent", "gevent.events"} <= set(loaded)
    assert not {"gevent.pywsgi", "http.client", "packaging.version", "zope.interface"} & set(loaded)
    assert real == ["gevent.pywsgi", "zope.interface.interface", "packaging.version"]
