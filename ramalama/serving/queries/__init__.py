"""Questions to a server: its health, its metrics, tokens and vectors."""
