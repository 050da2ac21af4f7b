"""The page on which a person decides about the files of a project."""
