"""Share the store with upstream RamaLama, in its layout."""
