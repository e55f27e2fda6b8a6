"""The adapter for Podman's API."""
