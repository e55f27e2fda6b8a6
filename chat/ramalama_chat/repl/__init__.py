"""The prompt loop of a terminal."""
