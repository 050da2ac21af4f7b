"""The page of a session: its transcript, live."""
