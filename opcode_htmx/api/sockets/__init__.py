"""WebSockets for programs: commands in, lines and events out."""
