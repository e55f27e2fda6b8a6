"""Find models in Ollama's registry."""
