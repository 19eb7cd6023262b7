"""Training steps are large programs that run for a moment only."""

import jax
import pytest


@pytest.fixture(autouse=True, scope='package')
def compiled_in_a_hurry():
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', False)
