"""The pages of the MCP servers."""
