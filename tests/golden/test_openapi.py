"""The description of the API, whole."""

from __future__ import annotations

from typing import Any

from tests.golden import golden


def test_the_description_of_the_api_stays(real: dict[str, Any]) -> None:
    golden.check("openapi", real["openapi"])
