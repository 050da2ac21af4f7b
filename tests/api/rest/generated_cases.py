"""Hooks of Schemathesis: which of the requests that follow from the description are made.

Its process loads this file by the configuration in test_description.py.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from typing import Any

import schemathesis
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario

ONE_OF = {
    CoverageScenario.INCORRECT_TYPE: 5,  # each field gets one of the five
    CoverageScenario.VALID_OBJECT: 6,  # with some of its optional fields, as are those with all
    CoverageScenario.OBJECT_REQUIRED_AND_OPTIONAL: 2,
    CoverageScenario.OBJECT_UNEXPECTED_PROPERTIES: 2,
    # What is the same for all addresses reads these, or answers them
    CoverageScenario.MALFORMED_CONTENT_TYPE: 6,
    CoverageScenario.UNSUPPORTED_CONTENT_TYPE: 3,
    CoverageScenario.UNSPECIFIED_HTTP_METHOD: 6,
}
"""Of the requests of a kind one of so many is tried, and others for the next field or operation;
with FUZZ, all of them."""
TEXTS = itertools.cycle(
    [
        *("\0", "\n", " ", "é\u202e", "../../etc/passwd", "/\0", "--help", "~root", "x" * 300),
        *("\ud800", "%00", "-1", "null", "\x1b[31m", "$(id)", "{{7*7}}", "<b>", "\\", "'", "."),
    ]
)

turns: dict[object, int] = {}
tried: Counter[object] = Counter()


def scenario_of(case: schemathesis.Case[Any]) -> CoveragePhaseData | None:
    data = case.meta.phase.data if case.meta else None
    return data if isinstance(data, CoveragePhaseData) else None


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out what takes the same way through the app as other requests do."""
    data = scenario_of(case)
    if data is None:
        return True
    if data.scenario is CoverageScenario.MISSING_PARAMETER:
        # Credentials are missing in tests/security/access/every_door/, at each address
        return data.parameter != "Authorization"
    field = case.operation.label, data.scenario, data.location, data.parameter
    turn = turns.setdefault(field, len(turns))
    tried[field] += 1
    return "FUZZ" in os.environ or (turn + tried[field]) % ONE_OF.get(data.scenario, 1) == 0


@schemathesis.hook
def map_case(
    context: schemathesis.HookContext, case: schemathesis.Case[Any]
) -> schemathesis.Case[Any]:
    """Put texts that nobody expects in place of the fillers of bodies with some of their fields."""
    data = scenario_of(case)
    if data and data.scenario is CoverageScenario.OBJECT_REQUIRED_AND_OPTIONAL:
        before, case.body = case.body, with_texts(case.body)
        try:
            assert case.meta  # which validates the body
        except UnicodeEncodeError:  # by a pattern: half of a surrogate pair is no UTF-8
            case.body = before
    return case


def with_texts(value: Any) -> Any:
    match value:
        case dict():
            return {name: with_texts(each) for name, each in value.items()}
        case list():
            return [with_texts(each) for each in value]
        case str() if not value.strip("0"):
            return next(TEXTS)
        case _:
            return value
