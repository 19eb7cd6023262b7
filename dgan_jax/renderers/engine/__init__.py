"""Meshes, cameras, rasteriser and shading: the same bits on every machine."""
