"""What is asked: the settings of the host, the options of a call."""
