"""Training a generator of our own: a StyleGAN against a discriminator."""
