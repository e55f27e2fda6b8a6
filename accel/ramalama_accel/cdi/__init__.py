"""Container Device Interface: the specification files of this host."""
