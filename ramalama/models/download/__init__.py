"""Download blobs to the disk: resumable, in parallel, and verified."""
