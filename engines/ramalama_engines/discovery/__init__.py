"""Choose a container engine and open a connection to it."""
