"""Layers of an image: compressed tar archives, and what they hide."""
