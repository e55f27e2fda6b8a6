"""One module for each vendor: find its devices in the host's files."""
