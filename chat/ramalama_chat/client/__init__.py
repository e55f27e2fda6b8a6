"""The OpenAI client, wired to a server's socket or address."""
