"""Clones of remote repositories, kept as a cache, and the worktrees that sessions work in."""
