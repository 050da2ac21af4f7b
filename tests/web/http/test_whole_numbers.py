"""Numbers in forms and addresses: of any text, only a short number is one."""

from __future__ import annotations

import pytest

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.features.permissions import routes
from opcode_htmx.web.http.forms import BadForm, whole_number


@pytest.mark.parametrize("text", ["", " 1", "-1", "+1", "1.0", "1e3", "²", "١", "1_0", "9" * 5000])
def test_a_text_that_is_no_short_number_is_none(text: str) -> None:
    assert whole_number(text) is None


def test_a_number_has_at_most_so_many_digits() -> None:
    assert whole_number("007") == 7
    assert (whole_number("1234", 4), whole_number("12345", 4)) == (1234, None)


@pytest.mark.parametrize("number", ["1", "-1", "9" * 5000, "²"])
def test_a_suggestion_that_there_is_not_is_a_sentence(number: str) -> None:
    ask = PermissionRequest("r", "Bash", {}, "t", "", "", ({"type": "addRules"},))
    assert routes.suggestion(ask, "0") == {"type": "addRules"}
    with pytest.raises(BadForm, match="has not suggested that"):
        routes.suggestion(ask, number)
