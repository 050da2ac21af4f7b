"""Channels of the parts of tool results."""

from __future__ import annotations

from tests.security.corpus.transcript.lines import (
    Channel,
    as_json,
    called,
    document,
    in_result,
    resource,
)

RESULTS: tuple[Channel, ...] = (
    Channel("text of a document", in_result(document)),
    Channel(
        "title of a document",
        in_result(lambda text: {**document("x"), "title": text}),
        frame="line",
    ),
    Channel("context of a document", in_result(lambda text: {**document("x"), "context": text})),
    Channel(
        "media type of a document",
        in_result(
            lambda text: {
                "type": "document",
                "source": {"type": "base64", "media_type": text, "data": "eA=="},
            }
        ),
        frame="line",
    ),
    Channel(
        "name of a file",
        in_result(
            lambda text: {
                "type": "document",
                "title": text,
                "source": {"type": "base64", "media_type": "text/html", "data": "eA=="},
            }
        ),
        frame="line",
    ),
    Channel(
        "address of a document",
        in_result(lambda text: {"type": "document", "source": {"type": "url", "url": text}}),
        frame="bare",
        shows="end",
    ),
    Channel("text of a resource", in_result(lambda text: resource(text=text))),
    Channel(
        "address of a resource",
        in_result(lambda text: resource(uri=text)),
        frame="bare",
        shows="end",
    ),
    Channel("name of a resource", in_result(lambda text: resource(name=text)), frame="line"),
    Channel(
        "media type of a resource", in_result(lambda text: resource(mimeType=text)), frame="line"
    ),
    Channel(
        "link to a resource",
        in_result(lambda text: {"type": "resource_link", "uri": text, "name": "x"}),
        frame="bare",
        shows="end",
    ),
    Channel(
        "description of a link",
        in_result(lambda text: {"type": "resource_link", "uri": "x:y", "description": text}),
    ),
    Channel(
        "source of a result",
        in_result(lambda text: {"type": "search_result", "source": text, "title": "x"}),
        frame="bare",
        shows="end",
    ),
    Channel(
        "title of a result",
        in_result(lambda text: {"type": "search_result", "source": "x", "title": text}),
        frame="line",
    ),
    Channel(
        "text of a result",
        in_result(
            lambda text: {
                "type": "search_result",
                "source": "x",
                "content": [{"type": "text", "text": text}],
            }
        ),
    ),
    Channel(
        "tool that was loaded",
        in_result(lambda text: {"type": "tool_reference", "tool_name": text}),
        frame="line",
    ),
    Channel(
        "media type of a sound",
        in_result(lambda text: {"type": "audio", "mimeType": text, "data": "eA=="}),
        frame="line",
    ),
    Channel(
        "image that is none",
        in_result(lambda text: {"type": "image", "mimeType": "image/svg+xml", "data": text}),
        shown_as=as_json,
    ),
    Channel(
        "unknown part of a result", in_result(lambda text: {"type": text, "x": 1}), frame="line"
    ),
    Channel(
        "structured result",
        lambda n, text: called(n, "mcp__x__y", {}, "x", {"structuredContent": {"a": text}}),
        shown_as=as_json,
    ),
    Channel(
        "resource link of a result",
        lambda n, text: called(
            n, "mcp__x__y", {}, "x", {"resourceLinks": [{"uri": text, "name": text}]}
        ),
        frame="bare",
        shows="end",
    ),
)
