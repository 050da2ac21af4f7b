"""MCP servers of the tests' own: over stdio, and over HTTP with an OAuth authorization server."""
