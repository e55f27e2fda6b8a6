"""HTTP for the outside world."""
