"""Seconds and memory of one labelled sample, against synthesis alone.

Official channel tables, ten members, random weights. Three variants, each in
a process of its own, take turns: synthesis without labels, our factory, and
the paper's dataflow (features upsampled and stacked, members one after
another; slow and large, so only once and up to 512 px unless told).

  python -m benchmarks.labelling
  python -m benchmarks.labelling --sizes=512 --repeats=9 --json
  python -m benchmarks.labelling --sizes=512 --paper_sizes= --block=32 \\
    --dtype=bfloat16

Two networks take turns too, on whole images, and are compared by seconds per
billion floating-point operations (`work.py` says what counts); flaxmodels'
forward pass of the second is a fourth variant, if it is installed:

  python -m benchmarks.labelling --sizes=512 --paper_sizes= \\
    --networks=StyleGAN1,StyleGAN2 --flaxmodels
"""

import argparse
import contextlib
import dataclasses
import functools
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import common, models, paper_dataflow, work
from dgan_jax import parallel, pyramid, rng
from dgan_jax.factory import labeller as factory
from dgan_jax.factory import source
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
    network: one of `models.NETWORKS`.
  """

  resolution: int
  num_classes: int
  rows: tuple[int, int] | None = None
  members: int = 10
  block: int = 1
  dtype: str = 'float32'
  network: str = 'StyleGAN1'

  @property
  def sampling(self) -> generators.Sampling:
    return generators.Sampling(rows=self.rows, dtype=self.dtype)

  @property
  def canvas(self) -> pyramid.Canvas:
    return pyramid.Canvas.of(self.resolution, self.rows)

  def gflop(self, variant: str) -> float:
    """Floating-point operations of one sample, in billions."""
    architecture = models.architecture(self.resolution, self.network)
    count = work.synthesis(architecture)
    if variant in ('ours', 'paper'):
      spec = models.interpreter_spec(
        architecture, self.num_classes, self.members
      )
      is_paper = variant == 'paper'
      count += work.labels(spec, architecture, self.canvas, stacked=is_paper)
    return 2 * count / 1e9


def _synthesis(case: Case, keys: np.ndarray) -> Callable[[], Any]:
  def block(generator: Any, keys: Any) -> Any:
    keys = rng.key_from_data(keys)
    return generators.sample(generator, keys, case.sampling)[:2]

  generator = models.random_generator(case.resolution, case.network)
  synthesize = parallel.map_items(block, generator, case.block)
  return lambda: list(synthesize(keys))


def _flaxmodels(case: Case, keys: np.ndarray) -> Callable[[], Any]:
  from benchmarks import flaxmodels_stylegan2

  generator = models.random_generator(case.resolution, case.network)
  run, variables = flaxmodels_stylegan2.forward(generator)
  forward = jax.jit(run)
  latents = rng.latents(
    rng.key_from_data(keys), generator.architecture.latent_size
  )
  return lambda: forward(variables, latents)


def _ours(case: Case, keys: np.ndarray) -> Callable[[], Any]:
  generator, interpreter = _random_models(case)
  drawn = source.GeneratorSource(generator, case.sampling)
  samples = factory.labeller(drawn, interpreter, case.block)
  # The samples aren't arrays, but on the host when they come.
  return lambda: len(list(samples(rng.root_key(_SEED), range(len(keys)))))


def _paper(case: Case, keys: np.ndarray) -> Callable[[], Any]:
  generator, interpreter = _random_models(case)
  return lambda: [
    paper_dataflow.label(
      generator, interpreter, case.sampling, rng.key_from_data(key[None])
    )
    for key in keys
  ]


def _random_models(case: Case) -> Any:
  generator = models.random_generator(case.resolution, case.network)
  return generator, models.random_interpreter(
    generator, case.num_classes, case.members
  )


# Each makes all that a variant needs and returns what is measured.
VARIANTS = {
  'synthesis': _synthesis,
  'flaxmodels': _flaxmodels,
  'ours': _ours,
  'paper': _paper,
}


@functools.cache
def _prepare(variant: str, case: Case) -> Callable[[], Any]:
  """What is measured, compiled by a first call."""
  keys = rng.sample_keys(rng.root_key(_SEED), np.arange(case.block))
  run = VARIANTS[variant](case, np.asarray(jax.random.key_data(keys)))
  jax.block_until_ready(run())
  return run


def _measure(variant: str, case: Case) -> common.Measurement:
  return common.measure(_prepare(variant, case))[1]


def run_cases(
  plan: Sequence[tuple[Case, str]], repeats: int
) -> list[dict[str, Any]]:
  """Medians of cases by variant, all taking turns; the paper's is measured
  once.

  Args:
    plan: what to measure, a case with each of its variants.
    repeats: of everything.
  """
  with contextlib.ExitStack() as stack:
    processes = {
      job: stack.enter_context(common.fresh_process()) for job in plan
    }
    measured: dict[tuple[Case, str], list[common.Measurement]] = {
      job: [] for job in plan
    }
    for repeat in range(repeats):
      for job, process in processes.items():
        case, variant = job
        if variant != 'paper' or not repeat:
          common.note(
            f'{case.network} {case.resolution} px: {variant} {repeat + 1}'
          )
          measured[job].append(process.submit(_measure, variant, case).result())
  results: dict[Case, dict[str, Any]] = {}
  for (case, variant), runs in measured.items():
    seconds = statistics.median(run.seconds for run in runs) / case.block
    gflop = case.gflop(variant)
    results.setdefault(case, {})[variant] = {
      'seconds_per_sample': seconds,
      'samples_per_second': 1 / seconds,
      'gflop_per_sample': gflop,
      'seconds_per_gflop': seconds / gflop,
      'peak_gib': max(run.peak_gib for run in runs),
    }
  return [
    {'case': dataclasses.asdict(case), 'variants': variants}
    | _ratios({k: v['seconds_per_sample'] for k, v in variants.items()})
    for case, variants in results.items()
  ]


def _ratios(seconds: dict[str, float]) -> dict[str, float]:
  ratios = {
    'labels_seconds': seconds['ours'] - seconds['synthesis'],
    'ours_over_synthesis': seconds['ours'] / seconds['synthesis'],
  }
  if 'paper' in seconds:
    ratios['paper_over_ours'] = seconds['paper'] / seconds['ours']
  if 'flaxmodels' in seconds:
    ratios['flaxmodels_over_ours'] = (
      seconds['flaxmodels'] / seconds['synthesis']
    )
  return ratios


def _compare(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
  """Seconds per operation of the last network over those of the first, by
  resolution and variant; nothing of a single network."""
  by_size: dict[int, list[dict[str, Any]]] = {}
  for result in cases:
    by_size.setdefault(result['case']['resolution'], []).append(result)
  return [
    {
      'resolution': resolution,
      'networks': [r['case']['network'] for r in (first, last)],
      'seconds_per_gflop': {
        variant: last['variants'][variant]['seconds_per_gflop']
        / numbers['seconds_per_gflop']
        for variant, numbers in first['variants'].items()
      },
    }
    for resolution, (first, *_, last) in (
      item for item in by_size.items() if len(item[1]) > 1
    )
  ]


def _format(
  cases: Sequence[dict[str, Any]], compared: Sequence[dict[str, Any]]
) -> str:
  rows = [
    ['', 'seconds', 'samples/s', 'GFLOP', 's/GFLOP', 'peak GiB', 'x synthesis']
  ]
  for result in cases:
    case, variants = Case(**result['case']), result['variants']
    size = f'{case.canvas.width}x{case.canvas.height}'
    name = f'{case.network} {size}, {case.num_classes} classes'
    synthesis = variants['synthesis']['seconds_per_sample']
    for variant, numbers in variants.items():
      seconds = numbers['seconds_per_sample']
      rows.append(
        [
          f'{name}: {variant}',
          f'{seconds:.4g}',
          f'{numbers["samples_per_second"]:.3g}',
          f'{numbers["gflop_per_sample"]:.4g}',
          f'{numbers["seconds_per_gflop"]:.3g}',
          f'{numbers["peak_gib"]:.2f}',
          f'{seconds / synthesis:.2f}',
        ]
      )
    seconds = result['labels_seconds']
    ratio = f'{seconds / synthesis:.2f}'
    blanks = [''] * 4
    rows.append([f'{name}: labels alone', f'{seconds:.4g}', *blanks, ratio])
  lines = [common.table(rows)]
  for comparison in compared:
    first, last = comparison['networks']
    for variant, ratio in comparison['seconds_per_gflop'].items():
      lines.append(
        f'{comparison["resolution"]} px, {variant}: {last} takes {ratio:.3f} '
        f'of the seconds per GFLOP of {first}'
      )
  return '\n'.join(lines)


def _plan(args: argparse.Namespace, size: int) -> list[tuple[Case, str]]:
  """What to measure of one size."""
  # A size that no domain has is for a quick look.
  num_classes, rows = _DOMAINS.get(size, (20, None))
  if len(args.networks) > 1:
    rows = None
  cases = (
    Case(size, num_classes, rows, args.members, args.block, args.dtype, network)
    for network in args.networks
  )
  return [
    (case, variant)
    for case in cases
    for variant in VARIANTS
    if (variant != 'paper' or size in args.paper_sizes)
    and (
      variant != 'flaxmodels'
      or (args.flaxmodels and case.network == 'StyleGAN2')
    )
  ]


def main(argv: Sequence[str] | None = None) -> None:
  options = common.parser(__doc__)
  add = functools.partial(options.add_argument, metavar='PX')
  add('--sizes', type=common.integers, default=tuple(_DOMAINS))
  add('--paper_sizes', type=common.integers, default=(256, 512))
  options.add_argument('--repeats', type=int, default=5)
  options.add_argument('--members', type=int, default=10)
  options.add_argument('--block', type=int, default=1, help='samples at once')
  options.add_argument('--dtype', choices=generators.DTYPES, default='float32')
  options.add_argument(
    '--networks',
    type=lambda text: tuple(text.split(',')),
    default=models.NETWORKS[:1],
    help=' or '.join(models.NETWORKS) + ', or several with commas',
  )
  options.add_argument('--flaxmodels', action='store_true')
  args = options.parse_args(argv)
  if unknown := set(args.networks) - set(models.NETWORKS):
    options.error(f'{sorted(unknown)} are none of {models.NETWORKS}')
  cases = []
  for size in args.sizes:
    cases += run_cases(_plan(args, size), args.repeats)
  compared = _compare(cases)
  result = {
    'machine': common.describe_machine(),
    'cases': cases,
    'compared': compared,
  }
  common.report(result, _format(cases, compared), as_json=args.json)


if __name__ == '__main__':
  main()
