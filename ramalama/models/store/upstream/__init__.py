"""The layout of upstream RamaLama's store, which ours shares."""
