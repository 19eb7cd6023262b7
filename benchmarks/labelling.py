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
  """What is labelled."""

  resolution: int
  num_classes: int
  rows: tuple[int, int] | None = None  # the crop
  members: int = 10
  block: int = 1  # samples computed as one array
  dtype: str = 'float32'  # of synthesis and features
  network: str = 'StyleGAN1'  # one of `models.NETWORKS`

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
      spec = models.random_interpreter(
        architecture, self.num_classes, self.members
      ).spec
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
    generator.architecture, case.num_classes, case.members
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
  """Medians of cases by variant, synthesis first, all taking turns; the
  paper's is measured once."""
  measured: dict[tuple[Case, str], list[common.Measurement]] = {}
  with contextlib.ExitStack() as stack:
    processes = {
      job: stack.enter_context(common.fresh_process()) for job in plan
    }
    for repeat in range(repeats):
      for (case, variant), process in processes.items():
        if variant != 'paper' or not repeat:
          common.note(f'{case}: {variant} {repeat + 1}')
          found = process.submit(_measure, variant, case).result()
          measured.setdefault((case, variant), []).append(found)
  rows: list[dict[str, Any]] = []
  synthesis: dict[Case, float] = {}
  for (case, variant), runs in measured.items():
    seconds = statistics.median(run.seconds for run in runs) / case.block
    gflop = case.gflop(variant)
    rows.append(
      {
        'network': case.network,
        'size': f'{case.canvas.width}x{case.canvas.height}',
        'classes': case.num_classes,
        'variant': variant,
        'seconds': seconds,
        'GFLOP': gflop,
        's/GFLOP': seconds / gflop,
        'peak GiB': max(run.peak_gib for run in runs),
        'x synthesis': seconds / synthesis.setdefault(case, seconds),
      }
    )
  return rows


def compare(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
  """Seconds per operation of the last network over those of the first, by size
  and variant; nothing of a single network."""
  found: dict[tuple[str, str], list[dict[str, Any]]] = {}
  for row in rows:
    found.setdefault((row['size'], row['variant']), []).append(row)
  return {
    f'{size} {variant}, s/GFLOP of the last network over the first': (
      ran[-1]['s/GFLOP'] / ran[0]['s/GFLOP']
    )
    for (size, variant), ran in found.items()
    if len(ran) > 1
  }


def _plan(args: argparse.Namespace, size: int) -> list[tuple[Case, str]]:
  """What to measure of one size."""
  # A size that no domain has is for a quick look.
  num_classes, rows = _DOMAINS.get(size, (20, None))
  if len(args.networks) > 1:
    rows = None
  fields = (args.members, args.block, args.dtype)
  plan = []
  for network in args.networks:
    case = Case(size, num_classes, rows, *fields, network)
    theirs = args.flaxmodels and network == 'StyleGAN2'
    asked = {'flaxmodels': theirs, 'paper': size in args.paper_sizes}
    plan += [(case, one) for one in VARIANTS if asked.get(one, True)]
  return plan


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
  rows = []
  for size in args.sizes:
    rows += run_cases(_plan(args, size), args.repeats)
  common.report(rows, compare(rows), as_json=args.json)


if __name__ == '__main__':
  main()
