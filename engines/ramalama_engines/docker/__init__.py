"""The adapter for Docker's REST API."""
