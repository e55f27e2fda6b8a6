"""Servers on loopback that stand for the world's, honest or not."""
