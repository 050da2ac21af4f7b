"""Questions to Claude that need no session."""
