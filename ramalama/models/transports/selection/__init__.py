"""Which files of a repository a reference means."""
