"""What we know of the Claude CLI, and nothing of the web."""
