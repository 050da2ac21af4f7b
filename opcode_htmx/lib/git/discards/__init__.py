"""Discard changes, stashes and branches so that they can be brought back for 7 days."""
