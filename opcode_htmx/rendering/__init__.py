"""Render blocks as HTML and Markdown, and search them."""
