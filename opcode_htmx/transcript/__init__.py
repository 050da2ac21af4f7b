"""Messages folded into ordered blocks. Pure: no files, no HTML."""
