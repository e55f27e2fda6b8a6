"""Passwords for image registries, as Podman and Docker keep them."""
