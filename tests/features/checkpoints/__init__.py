"""Checkpoints and rewind."""
