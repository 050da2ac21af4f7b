"""The app in a worker under umask 0, which hides nothing from other users."""

from __future__ import annotations

import os

from flask import Flask

from opcode_htmx import create_app


def app() -> Flask:
    os.umask(0)
    return create_app()
