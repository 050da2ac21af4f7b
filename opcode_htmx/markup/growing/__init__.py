"""Markdown that grows: the text, its parts, and the pieces of long parts."""
