"""Model servers: start or reuse, wait, find, attach, stop, clean up."""
