"""What model files say of themselves."""
