"""WebSockets: open ones, their limits, and how they are closed."""
