"""Select the files of a repository that a reference means."""
