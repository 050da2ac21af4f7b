"""git, and what of a repository it runs."""
