"""Tools that a model may call: those of the MCP servers that the user names."""
