"""What users call models."""
