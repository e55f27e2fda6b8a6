"""Manifests and indexes: what a registry says of an image."""
