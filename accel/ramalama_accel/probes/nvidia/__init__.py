"""Find NVIDIA's cards, and the way in which a container can use them."""
