"""Send HTTP requests to other hosts."""
