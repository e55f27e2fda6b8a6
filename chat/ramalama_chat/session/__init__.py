"""A conversation with a model: its messages, its requests and their answers."""
