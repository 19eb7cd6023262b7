"""A labelled-data factory: a StyleGAN and a handful of painted masks in, a
segmentation dataset with an uncertainty for every label out.

The rooms of the package import one way only; `README.md` has the list.
Importing this package starts no JAX backend and reads no file.
"""

__version__ = '0.1.0'
