"""Find models at Hugging Face."""
