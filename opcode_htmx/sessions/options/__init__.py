"""The form for a session's options: its contents, and the changes made in it."""
