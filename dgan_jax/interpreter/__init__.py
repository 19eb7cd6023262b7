"""The style interpreter: generator features in, part labels out."""
