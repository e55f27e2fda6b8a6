"""Find, pull, push, list and remove models; this package does not need an engine."""
