"""Tools that a model may call: those of MCP servers, which users name."""
