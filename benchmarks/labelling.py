"""Seconds and memory of one labelled sample, against synthesis alone.

Official channel tables, ten members, random weights. Three variants, each in
a process of its own, take turns: synthesis without labels, our factory, and
the paper's dataflow (features upsampled and stacked, members one after
another; slow and large, so only once and up to 512 px unless told).

  python -m benchmarks.labelling
  python -m benchmarks.labelling --sizes=512 --repeats=9 --json
  python -m benchmarks.labelling --sizes=512 --paper_sizes= --block=32 \\
    --dtype=bfloat16
"""

import contextlib
import dataclasses
import functools
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import common, models, paper_dataflow
from dgan_jax import features, parallel, rng
from dgan_jax.factory import sampling as factory
from dgan_jax.generators import generator as generators

_SEED = 2

# Classes and crop of the paper's domains by generator resolution.
_DOMAINS = {256: (16, None), 512: (20, (64, 448)), 1024: (34, None)}


@dataclasses.dataclass(frozen=True)
class Case:
  """What is labelled.

  Attributes:
    resolution: of the generator.
    num_classes: of the labels.
    rows: the crop.
    members: of the ensemble.
    block: samples computed as one array.
    dtype: of synthesis and features.
  """

  resolution: int
  num_classes: int
  rows: tuple[int, int] | None = None
  members: int = 10
  block: int = 1
  dtype: str = 'float32'

  @property
  def sampling(self) -> generators.Sampling:
    return generators.Sampling(rows=self.rows, dtype=self.dtype)


def _synthesis(case: Case, keys: np.ndarray) -> Callable[[], Any]:
  def block(generator: Any, keys: Any) -> Any:
    keys = rng.key_from_data(keys)
    return generators.sample(generator, keys, case.sampling)[:2]

  generator = models.random_generator(case.resolution)
  synthesize = parallel.map_blocks(block, generator, case.block)
  return lambda: list(synthesize(keys))


def _ours(case: Case, keys: np.ndarray) -> Callable[[], Any]:
  generator, interpreter = _random_models(case)
  samples = factory.labeller(generator, interpreter, case.sampling, case.block)
  # The samples aren't arrays, but on the host when they come.
  return lambda: len(list(samples(rng.root_key(_SEED), np.arange(len(keys)))))


def _paper(case: Case, keys: np.ndarray) -> Callable[[], Any]:
  generator, interpreter = _random_models(case)
  return lambda: [
    paper_dataflow.label(
      generator, interpreter, case.sampling, rng.key_from_data(key[None])
    )
    for key in keys
  ]


def _random_models(case: Case) -> Any:
  generator = models.random_generator(case.resolution)
  return generator, models.random_interpreter(
    generator, case.num_classes, case.members
  )


# Each makes all that a variant needs and returns what is measured.
VARIANTS = {'synthesis': _synthesis, 'ours': _ours, 'paper': _paper}


@functools.cache
def _prepare(variant: str, case: Case) -> Callable[[], Any]:
  """What is measured, compiled by a first call."""
  keys = rng.sample_keys(rng.root_key(_SEED), np.arange(case.block))
  run = VARIANTS[variant](case, np.asarray(jax.random.key_data(keys)))
  jax.block_until_ready(run())
  return run


def _measure(variant: str, case: Case) -> common.Measurement:
  return common.measure(_prepare(variant, case))[1]


def run_case(
  case: Case, variants: Sequence[str], repeats: int
) -> dict[str, Any]:
  """Medians of a case by variant; the paper's is measured once."""
  with contextlib.ExitStack() as stack:
    processes = {
      variant: stack.enter_context(common.fresh_process())
      for variant in variants
    }
    measured: dict[str, list[common.Measurement]] = {v: [] for v in variants}
    for repeat in range(repeats):
      for variant, process in processes.items():
        if variant != 'paper' or not repeat:
          common.note(f'{case.resolution} px: {variant} {repeat + 1}')
          measured[variant].append(
            process.submit(_measure, variant, case).result()
          )
  results = {}
  for variant, runs in measured.items():
    seconds = statistics.median(run.seconds for run in runs) / case.block
    results[variant] = {
      'seconds_per_sample': seconds,
      'samples_per_second': 1 / seconds,
      'peak_gib': max(run.peak_gib for run in runs),
    }
  return {'case': dataclasses.asdict(case), 'variants': results} | _ratios(
    {k: v['seconds_per_sample'] for k, v in results.items()}
  )


def _ratios(seconds: dict[str, float]) -> dict[str, float]:
  ratios = {
    'labels_seconds': seconds['ours'] - seconds['synthesis'],
    'ours_over_synthesis': seconds['ours'] / seconds['synthesis'],
  }
  if 'paper' in seconds:
    ratios['paper_over_ours'] = seconds['paper'] / seconds['ours']
  return ratios


def _format(cases: Sequence[dict[str, Any]]) -> str:
  rows = [['', 'seconds', 'samples/s', 'peak GiB', 'x synthesis']]
  for result in cases:
    case, variants = Case(**result['case']), result['variants']
    canvas = features.Canvas.of(case.resolution, case.rows)
    name = f'{canvas.width}x{canvas.height}, {case.num_classes} classes'
    synthesis = variants['synthesis']['seconds_per_sample']
    for variant, numbers in variants.items():
      seconds = numbers['seconds_per_sample']
      rows.append(
        [
          f'{name}: {variant}',
          f'{seconds:.4g}',
          f'{numbers["samples_per_second"]:.3g}',
          f'{numbers["peak_gib"]:.2f}',
          f'{seconds / synthesis:.2f}',
        ]
      )
    seconds = result['labels_seconds']
    ratio = f'{seconds / synthesis:.2f}'
    rows.append([f'{name}: labels alone', f'{seconds:.4g}', '', '', ratio])
  return common.table(rows)


def main(argv: Sequence[str] | None = None) -> None:
  options = common.parser(__doc__)
  add = functools.partial(options.add_argument, metavar='PX')
  add('--sizes', type=common.integers, default=tuple(_DOMAINS))
  add('--paper_sizes', type=common.integers, default=(256, 512))
  options.add_argument('--repeats', type=int, default=5)
  options.add_argument('--members', type=int, default=10)
  options.add_argument('--block', type=int, default=1, help='samples at once')
  options.add_argument('--dtype', choices=generators.DTYPES, default='float32')
  args = options.parse_args(argv)
  cases = []
  for size in args.sizes:
    # A size that no domain has is for a quick look.
    num_classes, rows = _DOMAINS.get(size, (20, None))
    case = Case(size, num_classes, rows, args.members, args.block, args.dtype)
    variants = [
      variant
      for variant in VARIANTS
      if variant != 'paper' or size in args.paper_sizes
    ]
    cases.append(run_case(case, variants, args.repeats))
  result = {'machine': common.describe_machine(), 'cases': cases}
  common.report(result, _format(cases), as_json=args.json)


if __name__ == '__main__':
  main()
