"""Functions that use the operating system: locks, processes, memory, cores, ports."""
