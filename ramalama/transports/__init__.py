"""How models are found at the places where they live."""
