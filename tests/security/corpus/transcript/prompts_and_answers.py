"""Channels of prompts, and of Claude's answers."""

from __future__ import annotations

from tests.security.corpus.transcript.lines import (
    PIXEL,
    Channel,
    as_json,
    said,
    streamed,
    subagent,
    user,
)

PROMPTS: tuple[Channel, ...] = (
    Channel("prompt", lambda n, text: [user(n, text, promptSource="typed", isReplay=True)]),
    Channel("prompt of an old CLI", lambda n, text: [user(n, text, isReplay=True)]),
    Channel(
        "media type of an image in a prompt",
        lambda n, text: [
            user(
                n,
                [{"type": "image", "source": {"type": "base64", "media_type": text, "data": "x"}}],
                promptSource="typed",
            )
        ],
        frame="line",
    ),
    Channel(
        "image with text in it",
        lambda n, text: [
            user(
                n,
                [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                        "alt": text,
                    },
                    {"type": "text", "text": text},
                ],
                promptSource="typed",
            )
        ],
    ),
)

ANSWERS: tuple[Channel, ...] = (
    Channel("answer", lambda n, text: [said(n, {"type": "text", "text": text})], words=False),
    Channel(
        "thinking",
        lambda n, text: [said(n, {"type": "thinking", "thinking": text})],
        words=False,
    ),
    Channel("answer as it grows", streamed, words=False, where="live"),
    Channel(
        "thinking as it grows",
        lambda n, text: streamed(n, text, "thinking"),
        words=False,
        where="live",
    ),
    Channel("answer of a subagent", subagent, words=False),
    Channel(
        "answer that is an error",
        lambda n, text: [said(n, {"type": "text", "text": text}, isApiErrorMessage=True)],
    ),
    Channel(
        "unknown type of a part",
        lambda n, text: [said(n, {"type": text, "x": 1})],
        frame="line",
    ),
    Channel(
        "unknown part",
        lambda n, text: [said(n, {"type": "of_tomorrow", "x": text})],
        shown_as=as_json,
    ),
    Channel(
        "unknown name of a field",
        lambda n, text: [said(n, {"type": "of_tomorrow", text: 1})],
        shown_as=as_json,
    ),
    Channel(
        "unknown type of a line",
        lambda n, text: [{"type": text, "uuid": f"x{n}", "message": {"x": 1}}],
        frame="line",
    ),
    Channel(
        "unknown line",
        lambda n, text: [{"type": "of_tomorrow", "uuid": f"x{n}", "message": text}],
        shown_as=as_json,
    ),
    Channel(
        "line that is no JSON", lambda n, text: [" ".join(text.split())], where="live", words=False
    ),
)
