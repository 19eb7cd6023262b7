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

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import common
from dgan_jax import parallel, rng
from dgan_jax.gan import discriminator as discriminators
from dgan_jax.gan import state as state_lib
from dgan_jax.gan import steps
from dgan_jax.generators import stylegan1

_WARMUP = 5  # steps that don't count: PyTorch compiles several times

# Trains a step, or takes one of its penalty.
Step = Callable[[], Any]


def our_step(
  channels: tuple[int, ...],
  latent_size: int,
  options: state_lib.Options,
  *,
  penalty: bool,
) -> Step:
  """Ours, as `gan.loop` runs it, of networks with so many channels from 4x4 up;
  or a step of the R1 penalty, always in float32."""
  size = 4 * 2 ** (len(channels) - 1)
  generator = stylegan1.StyleGAN1(size, channels, latent_size)
  judge = discriminators.ResidualDiscriminator(size, channels)
  config = state_lib.TrainConfig.of(generator, judge, options)
  key = rng.root_key(0)
  shape = (options.batch_size, size, size, 3)
  batch = state_lib.Batch(
    np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8),
    np.arange(options.batch_size, dtype=np.int32),
  )
  state = jax.jit(lambda: state_lib.init(config, key=key))()
  function = steps.penalty_step if penalty else steps.adversarial_step
  spread = parallel.spread_step(
    lambda state, batch, mean: function(config, state, batch, mean, key=key)
  )

  def step() -> None:
    nonlocal state
    state, _ = jax.block_until_ready(spread(state, batch))

  return step


def measure(
  kind: str,
  channels: tuple[int, ...],
  latent_size: int,
  options: state_lib.Options,
  n: int,
) -> np.ndarray:
  """Medians of n: [step, penalty] by [seconds, CPU seconds]."""
  make_step = our_step
  if kind == 'PyTorch':
    from benchmarks import torch_gan

    make_step = torch_gan.make_step
  medians = []
  for penalty in (False, True):
    step = make_step(channels, latent_size, options, penalty=penalty)
    clocks = []
    for _ in range(_WARMUP + n + 1):
      clocks.append((time.perf_counter(), time.process_time()))
      step()
    medians.append(np.median(np.diff(clocks, axis=0)[_WARMUP:], axis=0))
  return np.array(medians)


def images_per_second(
  seconds: np.ndarray, options: state_lib.Options
) -> np.ndarray:
  """By the clock and by the processor, of what `measure` gives."""
  step, penalty = seconds
  return options.batch_size / (step + penalty / options.r1_interval)


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
  job = (args.channels, args.latent_size, options, args.steps)
  kinds = ('ours', 'PyTorch') if args.torch else ('ours',)
  rounds = [
    [common.alone(measure, kind, *job) for kind in kinds]
    for _ in range(args.rounds)
  ]
  rows, rates = [], []
  heads = ('images/s', 'images/CPU s', 's/step', 's/penalty')
  for kind, seconds in zip(kinds, np.median(rounds, axis=0), strict=True):
    rates.append(images_per_second(seconds, options))
    figures = [*rates[-1].tolist(), *seconds[:, 0].tolist()]
    rows.append({args.dtype: kind, **dict(zip(heads, figures, strict=True))})
  ratios = {}
  if args.torch:
    by_clock, by_processor = rates[0] / rates[1]
    ratios["ours over PyTorch's images per second"] = float(by_clock)
    ratios["ours over PyTorch's images per CPU second"] = float(by_processor)
  common.report(rows, ratios, as_json=args.json)


if __name__ == '__main__':
  main()
