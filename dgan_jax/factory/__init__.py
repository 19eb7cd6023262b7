"""Labelled samples in bulk: sampled, sharded, filtered and written."""
