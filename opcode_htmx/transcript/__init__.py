"""Fold messages into ordered blocks. Pure, except for `conversation`: no files, no HTML."""
