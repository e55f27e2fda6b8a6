"""The settings of the host, and the options of a call."""
