"""The one file that knows devices: how work spreads over them."""

import functools
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from dgan_jax import errors

_AXIS = 'devices'


def initialize_hosts(*where: Any) -> None:
  """Joins this process to a run of several; before JAX is first used.

  On TPU pods and under Slurm everything is found out by itself; elsewhere say
  host:port of process 0, the number of processes, and that of this one.
  """
  jax.distributed.initialize(*where)


def check_backend() -> None:
  """Starts JAX's backend, if it is not.

  Raises:
    errors.UserError: there is none of the kind that was asked for.
  """
  try:
    jax.device_count()
  except (AssertionError, RuntimeError) as error:  # without a word for 'cuda'
    asked = jax.config.jax_platforms  # type: ignore[attr-defined]
    raise errors.UserError(
      f'JAX can start no device of JAX_PLATFORMS={asked}; unset it, or take '
      f'JAX_PLATFORMS=cpu. {error}'
    ) from None


def process_index() -> int:
  """The number of this process among those of the run."""
  return jax.process_index()


def process_count() -> int:
  """How many processes share the run."""
  return jax.process_count()


def device_count() -> int:
  """Devices of all processes of the run."""
  return jax.device_count()


def platform() -> dict[str, str]:
  """What the bits of a result depend on beside its inputs: the kind of
  backend and the version of JAX."""
  return {'backend': jax.default_backend(), 'jax': jax.__version__}


def is_preempted(step: int) -> bool:
  """Whether all processes are to stop after this step, because the machine of
  one goes away; to be asked at every step, in the same one in all."""
  return jax.process_count() > 1 and bool(
    multihost_utils.reached_preemption_sync_point(step)
  )


def check_same(what: str, value: str) -> None:
  """Waits for all processes of the run.

  Raises:
    errors.UserError: in every process, where `value` differs between them.
  """
  first, *others = _gather(value)
  for index, other in enumerate(others, start=1):
    if other != first:
      raise errors.UserError(
        f'{what} differs between the processes of the run: process 0 has '
        f'{first!r}, process {index} {other!r}; start all with the same config '
        'and the same files.'
      )


def in_first_process(function: Callable[[], None]) -> None:
  """Calls a function in process 0 alone, which the others wait for.

  Raises:
    errors.UserError: in every process, where that one is refused something.
  """
  refusal = ''
  if jax.process_index() == 0:
    try:
      function()
    except (errors.UserError, OSError) as error:
      refusal = str(error)
  if refusal := _gather(refusal)[0]:
    raise errors.UserError(refusal)


def _gather(text: str) -> list[str]:
  """What the processes call this with, in their order; cut at 1,000 bytes."""
  if jax.process_count() == 1:
    return [text]
  data = np.frombuffer(text.encode()[:1000].ljust(1000, b'\0'), np.uint8)
  rows = multihost_utils.process_allgather(data)
  return [row.tobytes().rstrip(b'\0').decode(errors='ignore') for row in rows]


def devices_for(blocks: int) -> list[jax.Device]:
  """This host's devices, no more than there are blocks."""
  return jax.local_devices()[:blocks]


def has_small_cache() -> bool:
  """Whether work should come in pieces that fit a cache, as on CPUs."""
  return jax.default_backend() == 'cpu'


def block_size(pixels: int) -> int:
  """How many images of so many pixels a device should compute as one array: a
  power of two where `pixels` is one."""
  if has_small_cache():
    return 4 if pixels <= 2**14 else 1
  return min(max(2**22 // pixels, 1), 64)


def map_blocks(
  function: Callable[..., Any],
  state: Any,
  devices: Sequence[jax.Device] | None = None,
  *,
  static: tuple[Hashable, ...] = (),
) -> Callable[[Iterable[Any]], Iterator[Any]]:
  """Spreads a pure function over a stream of blocks, all of one size.

  Every device of this host computes whole blocks, so what comes of an item
  depends on its place in its block at most: neither on the other items nor on
  the number of devices. Hosts need not keep in step.

  Args:
    function: (*static, state, block) -> results, the last two pytrees of arrays
      [n, ...]; of a module, so that it is compiled once for all calls of equal
      `static`.
    state: copied to every device once.
    devices: default all of this host.
    static: what is no array.

  Returns:
    A function from blocks to an iterator over their results, as host arrays
    and in order. The devices work ahead by one round; of the last round those
    without a block repeat another's.
  """
  devices = list(devices or jax.local_devices())
  state = _replicate(state, devices)
  mapped = _mapped(function, static, tuple(devices))

  def fetch(count: int, results: Any) -> Iterator[Any]:
    host: Any = jax.device_get(results)
    for place in range(count):
      yield jax.tree.map(lambda x, place=place: x[place], host)

  def run(blocks: Iterable[Any]) -> Iterator[Any]:
    stream = iter(blocks)
    pending: tuple[int, Any] | None = None
    while some := list(itertools.islice(stream, len(devices))):
      padded = some + some[-1:] * (len(devices) - len(some))
      results = mapped(state, jax.tree.map(lambda *x: np.stack(x), *padded))
      if pending:
        yield from fetch(*pending)
      pending = len(some), results
    if pending:
      yield from fetch(*pending)

  return run


@functools.lru_cache(maxsize=32)
def _mapped(
  function: Callable[..., Any],
  static: tuple[Hashable, ...],
  devices: tuple[jax.Device, ...],
) -> Callable[[Any, Any], Any]:
  part = functools.partial(function, *static)
  return jax.pmap(part, _AXIS, in_axes=(None, 0), devices=devices)


def map_items(
  function: Callable[..., Any],
  state: Any,
  block_size: int,
  devices: Sequence[jax.Device] | None = None,
  *,
  static: tuple[Hashable, ...] = (),
) -> Callable[[Any], Iterator[tuple[int, Any]]]:
  """`map_blocks` over the items of arrays, `block_size` at a time.

  Returns:
    A function from a pytree of arrays [n, ...] to an iterator over (number of
    items, results as host arrays with at least that many rows), in order; the
    last block is padded.
  """
  run = map_blocks(function, state, devices, static=static)

  def blocks(items: Any) -> Iterator[tuple[int, Any]]:
    total = len(jax.tree.leaves(items)[0])
    starts = range(0, total, block_size)

    def block(start: int) -> Any:
      rows = np.minimum(np.arange(start, start + block_size), total - 1)
      return jax.tree.map(lambda x: np.asarray(x)[rows], items)

    for start, result in zip(starts, run(map(block, starts)), strict=True):
      yield min(block_size, total - start), result

  return blocks


def collect(rounds: Iterable[tuple[int, Any]]) -> Any:
  """All that the function of `map_items` gives, arrays [n, ...]; n > 0."""
  parts = (jax.tree.map(lambda x, n=n: x[:n], tree) for n, tree in rounds)
  return jax.tree.map(lambda *x: np.concatenate(x), *parts)


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
    metrics). The state given is used up; ValueError where the devices cannot
    share the batch evenly.
  """
  count = len(devices or jax.local_devices())
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

  here = jax.process_index()
  local = [x for x in devices or jax.devices() if x.process_index == here]

  def run(state: Any, batch: Any) -> tuple[Any, Any]:
    # Of several processes each must give the state of all its devices: one
    # that lies on the first alone is gone once that has been handed over.
    def on_all(x: Any) -> Any:
      lies_there = isinstance(x, jax.Array) and x.devices() >= set(local)
      return x if lies_there else _replicate(x, local)

    return mapped(jax.tree.map(on_all, state), jax.tree.map(part, batch))

  return run


@functools.cache
def _compiler_options() -> dict[str, str] | None:
  """What makes gradients faster on CPUs: a quarter of a GAN's step, with JAX
  0.10."""
  if not has_small_cache():
    return None
  # Left to itself, XLA sums over pixels and convolves for gradients of kernels
  # by the slower of the two libraries that it has, and gives up barriers before
  # it fuses.
  kinds = 'LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE'
  options = {
    'xla_cpu_experimental_ynn_fusion_type': kinds,
    'xla_disable_hlo_passes': 'cse_barrier_expander',
  }
  try:
    jax.jit(jax.lax.optimization_barrier, compiler_options=options)(0.0)
  except jax.errors.JaxRuntimeError:  # a version that has other options
    return None
  return options


def local_rows(batch_size: int) -> slice:
  """The rows of a batch of all hosts that are this one's; ValueError where they
  cannot share it evenly."""
  size, rest = divmod(batch_size, jax.process_count())
  if rest:
    raise ValueError(
      f'{jax.process_count()} hosts cannot share a batch of {batch_size} '
      'evenly.'
    )
  start = size * jax.process_index()
  return slice(start, start + size)


def _replicate(state: Any, devices: Sequence[jax.Device]) -> Any:
  mesh = Mesh(np.asarray(devices), (_AXIS,), axis_types=(AxisType.Auto,))
  return jax.device_put(state, NamedSharding(mesh, PartitionSpec()))
