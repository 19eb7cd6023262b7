"""The one file that knows devices: how work spreads over them."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

_AXIS = 'devices'


def initialize_hosts(
  coordinator: str | None = None,
  num_processes: int | None = None,
  process_id: int | None = None,
) -> None:
  """Joins this process to a run of several; before JAX is first used.

  On TPU pods and under Slurm everything is found out by itself; elsewhere say
  all three.

  Args:
    coordinator: host:port of process 0.
    num_processes: in all.
    process_id: of this one.
  """
  jax.distributed.initialize(coordinator, num_processes, process_id)


def process_index() -> int:
  """The number of this process among those of the run."""
  return jax.process_index()


def process_count() -> int:
  """How many processes share the run."""
  return jax.process_count()


def device_count() -> int:
  """Devices of all processes of the run."""
  return jax.device_count()


def has_small_cache() -> bool:
  """Whether work should come in pieces that fit a processor's cache, as on
  CPUs, rather than as large as possible."""
  return jax.default_backend() == 'cpu'


def map_blocks(
  function: Callable[[Any, Any], Any],
  state: Any,
  block_size: int,
  devices: Sequence[jax.Device] | None = None,
) -> Callable[[Any], Iterator[tuple[int, Any]]]:
  """Spreads a pure function over items, in blocks of one fixed size.

  Every device of this host computes whole blocks, the last ones padded, so an
  item's result depends neither on how many items there are nor on how many
  devices. Hosts need not keep in step.

  Args:
    function: (state, items [block_size, ...]) -> results [block_size, ...].
    state: copied to every device once.
    block_size: items computed as one array.
    devices: default all of this host.

  Returns:
    A function from a pytree of arrays [n, ...], n > 0, to an iterator over
    (number of items, results as host arrays with at least that many rows), in
    order. The devices work ahead by one round.
  """
  devices = list(devices or jax.local_devices())
  state = _replicate(state, devices)
  mapped = jax.pmap(function, _AXIS, in_axes=(None, 0), devices=devices)
  round_size = block_size * len(devices)

  def chunk(items: Any, start: int, count: int) -> Any:
    rows = np.minimum(np.arange(round_size), count - 1) + start
    shape = (len(devices), block_size)
    return jax.tree.map(
      lambda x: np.asarray(x)[rows].reshape(*shape, *np.shape(x)[1:]), items
    )

  def run(items: Any) -> Iterator[tuple[int, Any]]:
    total = len(jax.tree.leaves(items)[0])
    pending: tuple[int, Any] | None = None
    for start in range(0, total, round_size):
      count = min(round_size, total - start)
      results = mapped(state, chunk(items, start, count))
      if pending:
        yield _fetch(*pending)
      pending = count, results
    if pending:
      yield _fetch(*pending)

  return run


# Of a tree that every device has its own of, the mean over devices.
Mean = Callable[[Any], Any]


def spread_step(
  function: Callable[[Any, Any, Mean], tuple[Any, Any]],
  devices: Sequence[jax.Device] | None = None,
) -> Callable[[Any, Any], tuple[Any, Any]]:
  """Spreads a training step over devices, each with its part of the batch.

  Args:
    function: (state, part of the batch, mean) -> (state, metrics); what it
      returns must be the same on every device: made from what `mean` gives.
    devices: default all of the run, those of other hosts included.

  Returns:
    (state, this host's part of the batch, arrays [n, ...]) -> (state,
    metrics). The state given is used up.

  Raises (the returned function):
    ValueError: the devices cannot share the batch evenly.
  """
  count = len(devices) if devices else jax.local_device_count()
  if count == jax.process_count() == 1:
    return jax.jit(
      lambda state, batch: function(state, batch, lambda x: x),
      donate_argnums=0,
      compiler_options=_compiler_options(),
    )
  mapped = jax.pmap(
    lambda state, batch: function(
      state, batch, lambda tree: jax.lax.pmean(tree, _AXIS)
    ),
    _AXIS,
    in_axes=(None, 0),
    out_axes=None,
    devices=devices,
    donate_argnums=0,
  )

  def part(x: Any) -> Any:
    if x.shape[0] % count:
      raise ValueError(
        f'{count} devices cannot share a batch of {x.shape[0]} evenly.'
      )
    return x.reshape(count, -1, *x.shape[1:])

  return lambda state, batch: mapped(state, jax.tree.map(part, batch))


@functools.cache
def _compiler_options() -> dict[str, str] | None:
  """What makes gradients faster on CPUs: a quarter of a GAN's step, with JAX
  0.10.

  Left to itself, XLA sums over pixels and convolves for gradients of kernels
  by the slower of the two libraries that it has, and gives up barriers before
  it fuses.
  """
  if not has_small_cache():
    return None
  kinds = ('INDIVIDUAL_DOT', 'REDUCE')
  options = {
    'xla_cpu_experimental_ynn_fusion_type': ','.join(
      f'LIBRARY_FUSION_TYPE_{kind}' for kind in kinds
    ),
    'xla_disable_hlo_passes': 'cse_barrier_expander',
  }
  try:
    jax.jit(jax.lax.optimization_barrier, compiler_options=options)(0.0)
  except jax.errors.JaxRuntimeError:  # a version that has other options
    return None
  return options


def local_rows(batch_size: int) -> slice:
  """The rows of a batch of all hosts that are this one's.

  Raises:
    ValueError: the hosts cannot share the batch evenly.
  """
  size, rest = divmod(batch_size, jax.process_count())
  if rest:
    raise ValueError(
      f'{jax.process_count()} hosts cannot share a batch of {batch_size} '
      'evenly.'
    )
  start = size * jax.process_index()
  return slice(start, start + size)


def _fetch(count: int, results: Any) -> tuple[int, Any]:
  host: Any = jax.device_get(results)
  return count, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), host)


def _replicate(state: Any, devices: Sequence[jax.Device]) -> Any:
  mesh = Mesh(np.asarray(devices), (_AXIS,), axis_types=(AxisType.Auto,))
  return jax.device_put(state, NamedSharding(mesh, PartitionSpec()))
