"""Read the text of documents, a module for each format; all of them take strangers' bytes."""
