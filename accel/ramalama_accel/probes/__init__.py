"""Find the devices of each vendor in the host's files, with one module for each vendor."""
