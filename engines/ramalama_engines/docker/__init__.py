"""The adapter for Docker's API."""
