"""The prompt: written, completed, sent, queued, and where a session begins."""
