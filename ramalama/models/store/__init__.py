"""Where models lie on this machine."""
