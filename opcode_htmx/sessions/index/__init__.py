"""The index of all sessions: a database in the state folder, kept current by one process."""
