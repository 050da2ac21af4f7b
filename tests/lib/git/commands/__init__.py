"""Commands of git that change a repository."""
