"""The changed files of a working tree."""
