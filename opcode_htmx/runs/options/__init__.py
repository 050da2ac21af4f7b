"""The options chosen for a session: stored, checked, applied to its process."""
