"""Compiles programs that run for a moment only in less time.

XLA's newer code generator for CPUs takes most of the time to compile, and
optimising most of the rest.
"""

import functools
import os

import jax
from jax._src import compiler  # has no public door

_OPTION = 'xla_cpu_use_fusion_emitters'
_make_options = compiler.get_compile_options


@functools.cache
def _is_known() -> bool:
  try:
    jax.jit(lambda: 0, compiler_options={_OPTION: False}).lower().compile()
  except jax.errors.JaxRuntimeError:  # a version that has other options
    return False
  return True


def _make_quick_options(*args, **kwargs):
  options = _make_options(*args, **kwargs)
  options.env_option_overrides = [
    *options.env_option_overrides,
    (_OPTION, False),
  ]
  return options


def switch(on: bool) -> None:
  """In this process, which forgets what it has compiled."""
  if on == jax.config.read('jax_disable_most_optimizations'):
    return
  jax.clear_caches()
  jax.config.update('jax_disable_most_optimizations', on)
  if _is_known():
    compiler.get_compile_options = _make_quick_options if on else _make_options


def environment() -> dict[str, str]:
  """Of a process in a hurry."""
  flags = os.environ.get('XLA_FLAGS', '')
  if _is_known():
    flags += f' --{_OPTION}=false'
  return {
    **os.environ,
    'JAX_DISABLE_MOST_OPTIMIZATIONS': '1',
    'XLA_FLAGS': flags,
  }
