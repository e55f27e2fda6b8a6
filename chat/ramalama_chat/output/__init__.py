"""Write answers to a terminal or a file."""
