"""Channels of notes of the CLI beside the conversation."""

from __future__ import annotations

from tests.security.corpus.transcript.lines import Channel, said, system, user

NOTES: tuple[Channel, ...] = (
    Channel(
        "id of a message",
        lambda n, text: [
            {
                **said(n, {"type": "text", "text": f"k{n}a k{n}z"}),
                "message": {"id": text, "content": [{"type": "text", "text": f"k{n}a k{n}z"}]},
                "uuid": text,
            }
        ],
        words=False,
    ),
    Channel("notice", lambda n, text: [system(n, "informational", content=text)]),
    Channel("unknown notice", lambda n, text: [system(n, text.replace("_", "-"))], frame="line"),
    Channel(
        "name of a hook",
        lambda n, text: [system(n, "hook_response", hook_name=text, outcome="error")],
        frame="line",
    ),
    Channel(
        "output of a hook",
        lambda n, text: [system(n, "hook_response", hook_name="x", output=text)],
    ),
    Channel(
        "end of a turn",
        lambda n, text: [
            {
                "type": "result",
                "subtype": "error",
                "uuid": f"e{n}",
                "is_error": True,
                "result": text,
            }
        ],
        ends_turn=True,
        where="live",
    ),
    Channel(
        "kind of an end",
        lambda n, text: [
            {"type": "result", "subtype": text, "uuid": f"e{n}", "is_error": True, "errors": []}
        ],
        frame="line",
        ends_turn=True,
        where="live",
    ),
    Channel(
        "file in the editor",
        lambda n, text: [
            {
                "type": "attachment",
                "uuid": f"f{n}",
                "attachment": {"type": "opened_file_in_ide", "filename": text},
            }
        ],
    ),
    Channel(
        "selection in the editor",
        lambda n, text: [
            {
                "type": "attachment",
                "uuid": f"f{n}",
                "attachment": {"type": "selected_lines_in_ide", "filename": "/a", "content": text},
            }
        ],
    ),
    Channel(
        "slash command",
        lambda n, text: [user(n, f"<command-name>/{text}</command-name>")],
        frame="line",
        words=False,
    ),
    Channel(
        "arguments of a slash command",
        lambda n, text: [
            user(n, f"<command-name>/x</command-name><command-args>{text}</command-args>")
        ],
    ),
    Channel(
        "output of a slash command",
        lambda n, text: [user(n, f"<local-command-stdout>{text}</local-command-stdout>")],
        words=False,
    ),
    Channel(
        "failure of a slash command",
        lambda n, text: [user(n, f"<local-command-stderr>{text}</local-command-stderr>")],
    ),
    Channel(
        "command at the terminal",
        lambda n, text: [user(n, f"<bash-input>{text}</bash-input>")],
    ),
    Channel(
        "output at the terminal",
        lambda n, text: [
            user(n, f"<bash-stdout>{text}</bash-stdout><bash-stderr>{text}</bash-stderr>")
        ],
        words=False,
    ),
    Channel(
        "note for the memory",
        lambda n, text: [user(n, f"<user-memory-input>{text}</user-memory-input>")],
    ),
    Channel(
        "sender of a message",
        lambda n, text: [
            user(
                n,
                f'<teammate-message teammate_id="{text}">k{n}a k{n}z</teammate-message>',
                origin={"kind": "peer"},
            )
        ],
        frame="line",
        words=False,
        shows="nothing",
    ),
    Channel(
        "message of another one",
        lambda n, text: [
            user(
                n,
                f'<teammate-message teammate_id="x">{text}</teammate-message>',
                origin={"kind": "peer"},
            )
        ],
        words=False,
    ),
    Channel(
        "origin of a message",
        lambda n, text: [user(n, "x", origin={"kind": text})],
        frame="line",
    ),
    Channel(
        "reminder in a prompt",
        lambda n, text: [
            user(n, f"<system-reminder>\n{text}\n</system-reminder>\nk{n}a and words")
        ],
        words=False,
    ),
)
