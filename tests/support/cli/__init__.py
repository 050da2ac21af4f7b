"""The real Claude CLI and its stand-in, as started and controlled by tests."""
