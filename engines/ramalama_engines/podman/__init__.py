"""The adapter for Podman's REST API."""
