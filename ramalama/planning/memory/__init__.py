"""Estimate how much memory a model needs, and compare it with what is available."""
