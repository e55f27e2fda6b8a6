"""The version; its minor number names the generation of container images that we drive."""

__version__ = "0.25.0"
