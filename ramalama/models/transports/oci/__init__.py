"""Find models in OCI registries: images and artifacts that various tools have pushed."""
