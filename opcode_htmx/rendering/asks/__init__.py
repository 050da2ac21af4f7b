"""What Claude and MCP servers ask a person: permissions, questions and forms, as values to show."""
