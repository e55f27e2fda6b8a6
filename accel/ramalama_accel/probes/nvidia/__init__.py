"""NVIDIA's cards, and how a container gets at them."""
