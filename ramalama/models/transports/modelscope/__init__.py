"""ModelScope."""
