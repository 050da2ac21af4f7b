"""Claude's configuration files: settings, memory, MCP servers, slash commands."""
