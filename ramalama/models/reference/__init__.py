"""Parse what users type for a model."""
