"""What links to this computer ask for."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.features.preview.targets import Target, of_link, path_of

LINKS: list[tuple[str, Target | None]] = [
    ("http://localhost:5173", Target(5173, "/")),
    ("HTTP://LOCALHOST:5173/a", Target(5173, "/a")),
    ("http://127.0.0.1/", Target(80, "/")),
    ("http://[::1]:3000/a/b?c=d&e#/f", Target(3000, "/a/b?c=d&e#/f")),
    ("http://0.0.0.0:8000?q=%20", Target(8000, "/?q=%20")),
    ('http://localhost:1/é "\\', Target(1, "/%C3%A9%20%22%5C")),
    ("http://localhost:1//evil.example/x", Target(1, "/evil.example/x")),
    ("http://localhost:1/\ud800", Target(1, "/?")),
    ("http://localhost:99999/", None),
    ("http://localhost:x/", None),
    ("https://localhost:1/", None),
    ("http://localhost.evil.example/", None),
    ("http://localhost@evil.example/", None),
    ("http://localhost:80@evil.example/", None),
    ("http://localhost:1/a/../../logout", Target(1, "/")),
    ("http://localhost:1/.%2E/logout", Target(1, "/")),
    ("http://localhost:1/a/..", Target(1, "/")),
    ("http://localhost:1/...?a=/../b", Target(1, "/...?a=/../b")),
    ("//localhost:1/", None),
    ("javascript:alert(1)", None),
    ("http://localhost:1/" + "a" * 5000, None),
    ("", None),
]


def test_of_a_link_the_port_and_the_path_are_kept() -> None:
    assert [(address, of_link(address)) for address, _ in LINKS] == LINKS


@given(st.text(st.sampled_from('/\\a?#%:@. \n\r"é')) | st.text())
def test_a_path_leads_to_no_other_host_and_breaks_no_header(text: str) -> None:
    for path in (path_of(text), (of_link(f"http://localhost:1/{text}") or Target(1, "/")).path):
        assert re.fullmatch(r"/(?!/)[!-~]*", path)
        assert not {'"', "\\"} & set(path)
    assert path_of(path_of(text)) == path_of(text)
