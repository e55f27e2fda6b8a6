"""Find documents, and read their text: the formats, and what is refused."""
