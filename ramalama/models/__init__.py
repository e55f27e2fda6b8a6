"""Models: find, pull, push, list, remove. It needs no engine."""
