"""Scanned pages and pictures, read by a model that sees."""
