"""Read and write the layers of an image: tar archives, perhaps compressed."""
