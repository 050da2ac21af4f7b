"""The options of a session as a form: what it shows, and what was changed in it."""
