"""Files in and out: the published checkpoint formats, and our own."""
