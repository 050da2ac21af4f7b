"""Pairing codes on the command line: at the start of the server, and by `pair`."""
