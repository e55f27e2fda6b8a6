"""Logins to registries and hubs."""
