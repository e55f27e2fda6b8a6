"""Keep documents in one SQLite file, and search it."""
