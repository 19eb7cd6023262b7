"""Images per second of training a generator, against PyTorch.

The step of `gan.steps` on random images: StyleGAN1 and the residual
discriminator at 64 px with at most 128 channels, batch 32, fakes judged once
for both losses, the R1 penalty on 16 images every 16 steps in float32. With
`--torch` (it has to be installed) the same in PyTorch, compiled where that
works. Each runs in a process of its own, in turns, `--rounds` times; what
counts is the median step of each. Both are told to use the same cores.

CPU seconds tell more than seconds where others use the cores too; the first
steps compile and don't count.

  python -m benchmarks.gan_training
  python -m benchmarks.gan_training --torch --dtype=bfloat16
"""

import dataclasses
import itertools
import os
import statistics
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import common, torch_gan
from dgan_jax import parallel, rng
from dgan_jax.gan import discriminator as discriminators
from dgan_jax.gan import state as state_lib
from dgan_jax.gan import steps
from dgan_jax.generators import stylegan1

_WARMUP = 5  # steps that don't count: PyTorch compiles several times


@dataclasses.dataclass(frozen=True)
class Speed:
  """Of a training.

  Attributes:
    step: seconds of a step without its penalty.
    penalty: seconds of a penalty.
    step_cpu: CPU seconds of a step.
    penalty_cpu: CPU seconds of a penalty.
  """

  step: float
  penalty: float
  step_cpu: float
  penalty_cpu: float

  def rate(self, options: state_lib.Options) -> float:
    """Images per second."""
    seconds = self.step + self.penalty / options.r1_interval
    return options.batch_size / seconds

  def cpu_rate(self, options: state_lib.Options) -> float:
    """Images per CPU second."""
    seconds = self.step_cpu + self.penalty_cpu / options.r1_interval
    return options.batch_size / seconds


def measure_ours(
  channels: tuple[int, ...],
  latent_size: int,
  options: state_lib.Options,
  n: int,
) -> Speed:
  """Ours, as `gan.loop` runs it."""
  size = 4 * 2 ** (len(channels) - 1)
  config = state_lib.TrainConfig.of(
    stylegan1.StyleGAN1(size, channels, latent_size),
    discriminators.ResidualDiscriminator(size, channels),
    options,
  )
  key = rng.root_key(0)
  shape = (options.batch_size, size, size, 3)
  batch = state_lib.Batch(
    np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8),
    np.arange(options.batch_size, dtype=np.int32),
  )
  state = jax.jit(lambda: state_lib.init(config, key=key))()
  medians: list[float] = []
  for function in (steps.adversarial_step, steps.penalty_step):
    step = parallel.spread_step(
      lambda state, batch, mean, f=function: f(  # type: ignore[misc]
        config, state, batch, mean, key=key
      )
    )
    times = []
    for _ in range(_WARMUP + n):
      start, cpu_start = time.perf_counter(), time.process_time()
      state, _ = jax.block_until_ready(step(state, batch))
      times.append(
        (time.perf_counter() - start, time.process_time() - cpu_start)
      )
    medians += map(statistics.median, zip(*times[_WARMUP:], strict=True))
  return Speed(medians[0], medians[2], medians[1], medians[3])


def measure_torch(
  channels: tuple[int, ...],
  latent_size: int,
  options: state_lib.Options,
  n: int,
) -> Speed:
  """PyTorch's."""
  medians: list[float] = []
  for penalty in (False, True):
    times = torch_gan.seconds_per_step(
      channels,
      latent_size,
      options.batch_size,
      bfloat16=options.dtype == 'bfloat16',
      penalty=penalty,
      threads=_cores(),
    )
    counted = itertools.islice(times, _WARMUP, _WARMUP + n)
    medians += map(statistics.median, zip(*counted, strict=True))
  return Speed(medians[0], medians[2], medians[1], medians[3])


def _cores() -> int:
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _best(speeds: Sequence[Speed]) -> Speed:
  """The median of every number over the rounds."""
  return Speed(
    *(
      statistics.median(getattr(speed, field.name) for speed in speeds)
      for field in dataclasses.fields(Speed)
    )
  )


def main(argv: Sequence[str] | None = None) -> None:
  parser = common.parser(__doc__)
  parser.add_argument('--torch', action='store_true')
  parser.add_argument('--dtype', default='float32')
  parser.add_argument(
    '--channels', type=common.integers, default=(128, 128, 128, 64, 32)
  )
  parser.add_argument('--latent_size', type=int, default=128)
  parser.add_argument('--batch_size', type=int, default=32)
  parser.add_argument('--steps', type=int, default=10)
  parser.add_argument('--rounds', type=int, default=2)
  args = parser.parse_args(argv)
  options = state_lib.Options(
    batch_size=args.batch_size,
    r1_batch=max(args.batch_size // 2, 1),
    dtype=args.dtype,
  )
  kinds = {'ours': measure_ours}
  if args.torch:
    kinds['PyTorch'] = measure_torch
  speeds: dict[str, list[Speed]] = {name: [] for name in kinds}
  for _ in range(args.rounds):
    for name, function in kinds.items():
      common.note(name)
      with common.fresh_process() as process:
        found = process.submit(
          function, args.channels, args.latent_size, options, args.steps
        )
        speeds[name].append(found.result())
  medians = {name: _best(found) for name, found in speeds.items()}
  result: dict[str, Any] = {
    'machine': common.describe_machine(),
    'runs': medians,
  }
  rows = [['', 'images/s', 'images/CPU s', 's/step', 's/penalty']]
  for name, speed in medians.items():
    rate, cpu_rate = speed.rate(options), speed.cpu_rate(options)
    numbers = (rate, cpu_rate, speed.step, speed.penalty)
    rows.append([name, *(f'{number:.3g}' for number in numbers)])
  text = f'{args.dtype}\n\n{common.table(rows)}'
  if args.torch:
    ours, other = medians['ours'], medians['PyTorch']
    result['ratio'] = ours.rate(options) / other.rate(options)
    result['cpu_ratio'] = ours.cpu_rate(options) / other.cpu_rate(options)
    text += (
      f"\n\nOurs trains {result['ratio']:.2f} times PyTorch's images per "
      f'second, {result["cpu_ratio"]:.2f} times those per CPU second.'
    )
  common.report(result, text, as_json=args.json)


if __name__ == '__main__':
  main()
