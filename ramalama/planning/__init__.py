"""Make a plan for the engine from the options of a server; pure functions."""
