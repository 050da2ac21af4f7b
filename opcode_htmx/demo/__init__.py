"""The demo room: the real Claude CLI without an account. Knows nothing of the web."""
