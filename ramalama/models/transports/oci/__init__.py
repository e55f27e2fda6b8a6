"""Models in OCI registries: images, artifacts, and what various tools make of both."""
