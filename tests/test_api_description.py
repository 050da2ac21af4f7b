"""The description of the API: whole, true, and nothing that it allows breaks the server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from opcode_htmx import create_app
from opcode_htmx.api.endpoints import ENDPOINTS
from opcode_htmx.settings import Settings

from .api import line, prompt, session
from .support import PASSWORD, USER, Sandbox, Server
