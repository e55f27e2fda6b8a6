"""Retrieval-augmented generation: documents into an index, passages into a prompt, citations."""
