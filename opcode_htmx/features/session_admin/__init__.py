"""A whole session: name, export, search, delete."""
