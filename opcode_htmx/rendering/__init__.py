"""Blocks as HTML, as Markdown, and as search results."""
