"""Bytes from servers onto the disk: resumable, in parallel, verified."""
