"""How much memory a model needs, and how much there is."""
