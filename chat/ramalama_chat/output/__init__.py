"""Answers on the way to a terminal or a file."""
