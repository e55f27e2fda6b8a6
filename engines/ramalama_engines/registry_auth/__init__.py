"""Read passwords for image registries from the files of Podman and Docker."""
