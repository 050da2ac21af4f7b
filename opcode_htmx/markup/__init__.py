"""Turn foreign text into safe HTML: Markdown, code, terminal output, diffs."""
