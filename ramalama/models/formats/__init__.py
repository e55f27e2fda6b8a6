"""Read model files and their metadata."""
