"""Domain-free tools: files, locks, JSON, scheduling on the event loop, formatting."""
