"""The transcript on the page of a session."""

from __future__ import annotations


def transcript(page: str) -> str:
    return page.partition('id="transcript"')[2].partition("</section>")[0]
