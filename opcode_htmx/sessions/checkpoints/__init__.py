"""Checkpoints of the files that sessions work on: when they are taken, kept and restored."""
