"""The OpenAI client, connected to a server's socket or address."""
