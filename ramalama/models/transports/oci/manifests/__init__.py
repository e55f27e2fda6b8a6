"""Parse the manifests and indexes of a registry."""
