"""The host of an engine, as servers need it: this one, or another one."""
