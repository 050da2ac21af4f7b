"""Read a file as what a page shows: lines, a table, a notebook, an image, or its first bytes."""
