"""Products whose gradients are computed the way that is fast on CPUs.

A gradient of a kernel reads what it is made of transposed, and XLA would fuse
whatever leads there into the transposed copy, computed out of order at a tenth
of the speed. So that is written out first.
"""

import functools
from collections.abc import Callable

import chex
import jax
from jax import lax

# (x, kernel) -> y, linear in both.
Product = Callable[[chex.Array, chex.Array], chex.Array]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def product(function: Product, x: chex.Array, kernel: chex.Array) -> chex.Array:
  """function(x, kernel), with the same gradients, sooner.

  On CPUs only where the compiler is told to keep barriers; see
  `parallel.spread_step`.
  """
  return function(x, kernel)


def _backward(
  function: Product, inputs: tuple[chex.Array, chex.Array], slope: chex.Array
) -> tuple[chex.Array, chex.Array]:
  x, kernel = inputs
  _, pull = jax.vjp(lambda x: function(x, kernel), x)
  return pull(slope)[0], kernel_gradient(function, x, kernel, slope)


def kernel_gradient(
  function: Product, x: chex.Array, kernel: chex.Array, slope: chex.Array
) -> chex.Array:
  """The gradient by the kernel, where that of function(x, kernel) is slope."""
  x, slope = lax.optimization_barrier((x, slope))
  _, pull = jax.vjp(lambda kernel: function(x, kernel), kernel)
  return lax.optimization_barrier(pull(slope)[0])


product.defvjp(
  lambda function, x, kernel: (function(x, kernel), (x, kernel)), _backward
)
