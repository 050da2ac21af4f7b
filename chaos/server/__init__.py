"""The server under test, stand-ins for Claude and its model, and what runs leave on disk."""
