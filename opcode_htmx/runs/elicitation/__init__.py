"""What MCP servers ask the person: the fields of their forms, and the answers."""
