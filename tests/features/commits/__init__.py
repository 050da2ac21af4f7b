"""The git pages of a project."""
