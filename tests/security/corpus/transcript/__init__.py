"""Channels of a transcript: every field of Claude's lines that a page shows."""
