"""What several capabilities share about a session. No Flask."""
