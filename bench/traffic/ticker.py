"""A stand-in for the CLI that writes ticks: numbered lines with the time of their write.

The prompt is JSON: `{"kind": "lines" | "stream" | "talk" | "burst", "count": 60, "pause": 0.15}`;
a burst is written at once, and talk is a stream of answers, each repeated in full at its end.
paragraph and code are one answer without a break, of which each tick is a hundred characters.
With `--bare` and such a series as its arguments it writes the same lines to stdout at once. It runs
from a folder of its own and so must not import the app.
"""

import json
import os
import random
import sys
import time
from collections.abc import Iterator

JITTER = 0.2  # of the pause, so that no tick keeps step with a frame
TICKS_PER_PARAGRAPH = 12
TICKS_PER_ANSWER = 96
TICKS_PER_EMPHASIS = 4
LINES_PER_WRITE = 100
PIECE_CHARACTERS = 100
WORDS = (
    *("server", "answer", "of", "a", "phone", "that", "grows", "with", "each", "`piece`", "and"),
    *("*always*", "shows", "the", "newest", "sentence", "in", "its", "place", "<so>", "far"),
)


def write(value: object) -> None:
    os.write(1, json.dumps(value).encode() + b"\n")


def event(message_id: str, **event: object) -> None:
    write({"type": "stream_event", "event": event, "api_message_id": message_id})


def ticks(count: int, pause: float) -> Iterator[str]:
    """Texts that name their number and the time in nanoseconds, when each is due."""
    for number in range(count):
        time.sleep(pause * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret
        yield f"tick{number}at{time.monotonic_ns()} with *some* words"


def lines(count: int, pause: float) -> None:
    """Each tick is a whole answer."""
    for text in ticks(count, pause):
        content = [{"type": "text", "text": text}]
        message = {"id": f"msg_{time.monotonic_ns()}", "role": "assistant", "content": content}
        write({"type": "assistant", "message": message, "uuid": ""})


def burst(count: int, _pause: float) -> None:
    """Each tick is a whole answer, written as fast as a file takes it."""
    written = []
    for number in range(count):
        text = f"tick{number}at{time.monotonic_ns()} with *some* words"
        content = [{"type": "text", "text": text}]
        message = {"id": f"msg_{number}", "role": "assistant", "content": content}
        line = {"type": "assistant", "message": message, "uuid": ""}
        written.append(json.dumps(line).encode() + b"\n")
        if len(written) == LINES_PER_WRITE:
            os.write(1, b"".join(written))
            written.clear()
    os.write(1, b"".join(written))


def stream(count: int, pause: float) -> None:
    """Each tick is a piece of one answer that grows."""
    message_id = f"msg_{time.monotonic_ns()}"
    event(message_id, type="message_start", message={"id": message_id})
    event(message_id, type="content_block_start", index=0, content_block={"type": "text"})
    for number, text in enumerate(ticks(count, pause), start=1):
        end = "\n\n" if number % TICKS_PER_PARAGRAPH == 0 else " "
        delta = {"type": "text_delta", "text": text + end}
        event(message_id, type="content_block_delta", index=0, delta=delta)
    event(message_id, type="content_block_stop", index=0)


def talk(count: int, pause: float) -> None:
    """Each tick is a piece of an answer, of which there are many."""
    message_id, said = "", ""
    for number, text in enumerate(ticks(count, pause), start=1):
        if not message_id:
            message_id = f"msg_{time.monotonic_ns()}"
            event(message_id, type="message_start", message={"id": message_id})
            event(message_id, type="content_block_start", index=0, content_block={"type": "text"})
        piece = text if number % TICKS_PER_EMPHASIS == 0 else text.replace("*", "")
        piece += "\n\n" if number % TICKS_PER_PARAGRAPH == 0 else " "
        said += piece
        delta = {"type": "text_delta", "text": piece}
        event(message_id, type="content_block_delta", index=0, delta=delta)
        if number % TICKS_PER_ANSWER == 0 or number == count:
            content = [{"type": "text", "text": said}]
            message = {"id": message_id, "role": "assistant", "content": content}
            write({"type": "assistant", "message": message, "uuid": ""})
            event(message_id, type="content_block_stop", index=0)
            message_id, said = "", ""


def paragraph(count: int, pause: float) -> None:
    """One paragraph, without a break, of sentences of some words."""
    pick = random.Random(4)  # noqa: S311 - no secret
    text = ""
    while len(text) < count * PIECE_CHARACTERS:
        text += f"The {' '.join(pick.choices(WORDS, k=pick.randint(5, 30)))}. "
    grow(text, count, pause)


def code(count: int, pause: float) -> None:
    """One block of code."""
    rows = [
        f"    {word} = call({word!r}, {number})  # and why" for number, word in enumerate(WORDS)
    ]
    text = "\n".join(rows) + "\n"
    copies = count * PIECE_CHARACTERS // len(text) + 1
    grow("```python\n" + text * copies, count, pause)


def grow(text: str, count: int, pause: float) -> None:
    message_id = f"msg_{time.monotonic_ns()}"
    event(message_id, type="message_start", message={"id": message_id})
    event(message_id, type="content_block_start", index=0, content_block={"type": "text"})
    for number in range(count):
        time.sleep(pause)
        piece = text[number * PIECE_CHARACTERS : (number + 1) * PIECE_CHARACTERS]
        event(
            message_id,
            type="content_block_delta",
            index=0,
            delta={"type": "text_delta", "text": piece},
        )
    event(message_id, type="content_block_stop", index=0)


KINDS = {
    "stream": stream,
    "talk": talk,
    "burst": burst,
    "lines": lines,
    "paragraph": paragraph,
    "code": code,
}


def run(text: str) -> None:
    series = json.loads(text)
    KINDS[series["kind"]](series["count"], series["pause"])


def main() -> None:
    match sys.argv[1:]:
        case ["--version"]:
            print("2.1.330 (Claude Code)")
        case ["auth", "status"]:
            print(json.dumps({"loggedIn": True}))
        case ["--bare", series]:
            run(series)
        case _:
            while line := sys.stdin.readline():
                value = json.loads(line)
                if value["type"] == "control_request":
                    offer = {"models": [{"value": "default", "displayName": "Default"}]}
                    head = {"subtype": "success", "request_id": value["request_id"]}
                    write({"type": "control_response", "response": {**head, "response": offer}})
                if value["type"] == "user":
                    write({**value, "isReplay": True})
                    run(value["message"]["content"])
                    write({"type": "result", "subtype": "success", "uuid": value["uuid"]})


main()
