"""Change the files of a project: edits, uploads, and what is deleted."""
