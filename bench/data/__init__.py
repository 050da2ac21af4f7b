"""Data to measure with: sessions, projects and repositories, as Claude's CLI and git leave them."""
