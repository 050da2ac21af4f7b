"""What is kept for sessions: drafts, read positions, trash, and for how long."""
