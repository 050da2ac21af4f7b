"""Sentences for what git says when a transfer fails."""

from __future__ import annotations

from opcode_htmx.lib.git.process import GitFailed

_SENTENCES = (
    (("could not resolve host",), "The host cannot be found. Is the address right?"),
    (
        ("terminal prompts disabled", "could not read username", "could not read password"),
        "The server asks for a login. The repository is private or does not exist; for private "
        "ones on GitHub you can also set GITHUB_TOKEN.",
    ),
    (
        ("authentication failed", "invalid username or token", "error: 403", "http 403"),
        "The server refuses the login: it may have ended, or may not read this repository. On "
        "GitHub, look at GITHUB_TOKEN.",
    ),
    (
        ("host key verification failed", "no ed25519 host key is known"),
        "The computer does not know this host’s key yet: connect to it by ssh once there.",
    ),
    (
        ("permission denied (publickey",),
        "The host does not accept a key of the computer. Add its public key there, or clone by "
        "https.",
    ),
    (
        ("not found", "does not appear to be a git repository", "does not exist"),
        "There is no such repository, or it cannot be seen without a login.",
    ),
    (("no space left",), "The disk is full. Free some space, then try again."),
    (
        ("connection refused", "failed to connect", "couldn't connect", "connection timed out"),
        "The host does not answer. Try again later.",
    ),
    (
        ("operation too slow", "early eof", "hung up unexpectedly", "rpc failed", "took longer"),
        "The connection was lost. Try again.",
    ),
    (("not allowed",), "Addresses of this kind are not cloned."),
)


def sentence_of(error: GitFailed) -> str:
    """What failed, for the user."""
    said = (error.errors or str(error)).lower()
    for signs, sentence in _SENTENCES:
        if any(sign in said for sign in signs):
            return sentence
    return "git could not do it. What it said is below."
