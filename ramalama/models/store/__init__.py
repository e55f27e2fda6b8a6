"""Store models on this machine."""
