"""A conversation: its messages, its requests and what came of them."""
