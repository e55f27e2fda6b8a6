"""From options to what the engine is told; pure."""
