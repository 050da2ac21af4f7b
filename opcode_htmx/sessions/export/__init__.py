"""Sessions as files: Markdown, a page that stands alone, or Claude's own lines."""
