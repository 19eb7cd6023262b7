"""Generators: a latent in, an image and everything known about it out."""
