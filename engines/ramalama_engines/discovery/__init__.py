"""Which engine is used, and how it is opened."""
