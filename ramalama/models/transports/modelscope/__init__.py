"""Find models at ModelScope."""
