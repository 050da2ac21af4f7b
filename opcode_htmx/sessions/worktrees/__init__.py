"""Copies for sessions: git worktrees, which session works in which, and what becomes of them."""
