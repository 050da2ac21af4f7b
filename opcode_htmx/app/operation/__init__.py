"""What operators need: the log of the server, and backups of its state."""
