"""Terminals: a host process for each, which owns the PTY and outlives the server."""
