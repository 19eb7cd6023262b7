"""The public functions; `import dgan_jax as dg` has them.

Their examples go on from one to the next, from load_generator to generate. What
these train is trained for a moment only.
"""

# ruff: noqa: F401
from dgan_jax.api.interpreters import load_interpreter, save, train_interpreter
from dgan_jax.api.making import Samples, generate, label, sample
from dgan_jax.api.reading import (
  UserError,
  load_annotations,
  load_generator,
  load_schema,
  sampling,
)
