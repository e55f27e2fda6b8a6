"""Read the specification files of this host for the Container Device Interface (CDI)."""
