"""The client of an OCI registry."""
