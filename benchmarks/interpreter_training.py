"""Time and memory to train an interpreter, against the release's procedure.

On the bundled cars: 16 annotated samples to train on, mean IoU over the
classes that occur in 256 others. Each variant runs in a process of its own and
is timed from generator and masks to the trained ensemble, compilation
included:

  paper    the release's procedure on stacked features, one member after
           another
  release  the same procedure our way, features kept at native resolution
  default  our own procedure, also measured along the way (off the clock):
           when does it reach the paper's mean IoU?

`--torch_members=N` also times N members of the release's procedure in PyTorch,
which has to be installed for that.

`--memory` instead measures what training on 16 car-sized images holds
(512x384, 20 classes, official channels, random weights and masks).

  python -m benchmarks.interpreter_training
  python -m benchmarks.interpreter_training --release_members=2
  python -m benchmarks.interpreter_training --torch_members=1
  python -m benchmarks.interpreter_training --memory
  python -m benchmarks.interpreter_training --options='{"members": 5}'
"""

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import common, models, paper_dataflow
from dgan_jax import rng, schema, validation
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, training
from dgan_jax.training import run_folder


@dataclasses.dataclass(frozen=True)
class Run:
  """A trained ensemble in numbers."""

  members: int
  took: common.Measurement
  mean_iou: float  # on the evaluation masks
  curve: tuple[tuple[float, float], ...] = ()  # (seconds, mean IoU) on the way

  def seconds_to(self, mean_iou: float) -> float:
    """When that was first reached, infinity if never."""
    return next((t for t, reached in self.curve if reached >= mean_iou), np.inf)


class _Snapshots(run_folder.RunFolder):
  """Notes time and parameters, and keeps nothing."""

  def __init__(self) -> None:
    self.start = time.perf_counter()
    self.taken: list[tuple[float, Any]] = []

  def restore(self, initial: Any) -> tuple[Any, dict[str, Any]]:
    return initial, {}

  def save(self, state: Any, *unused: Any, now: bool = False) -> None:
    del unused, now
    self.taken.append((time.perf_counter() - self.start, state.best))

  def write(self, step: int, metrics: Mapping[str, float]) -> None:
    del step, metrics


def train_paper(members: int, max_epochs: int, seed: int) -> Run:
  """The release's procedure and dataflow."""
  cars = models.BundledCars.load()
  given, key = (*cars.to_learn_from, members, max_epochs), rng.root_key(seed)
  interpreter, measured = common.measure(
    lambda: paper_dataflow.train(*given, key=key)
  )
  return Run(members, measured, cars.mean_iou(interpreter))


def time_torch(members: int, max_epochs: int, seed: int) -> float:
  """Seconds of the release's procedure in PyTorch."""
  from benchmarks import torch_release

  cars = models.BundledCars.load()
  pixels = paper_dataflow.stack(*cars.to_learn_from)
  return torch_release.train(
    np.array(pixels.features),
    np.array(pixels.labels),
    cars.annotated.schema.num_classes,
    members=members,
    max_epochs=max_epochs,
    seed=seed,
  )


def train_ours(options: training.TrainingOptions, seed: int) -> Run:
  """Our training, either procedure."""
  cars = models.BundledCars.load()
  snapshots = _Snapshots() if options.mode == 'default' else None
  given, key = (*cars.to_learn_from, options), rng.root_key(seed)
  interpreter, measured = common.measure(
    lambda: training.train(*given, key=key, folder=snapshots)
  )
  curve = tuple(
    (seconds, cars.mean_iou(ensemble.Interpreter(interpreter.spec, params)))
    for seconds, params in (snapshots.taken if snapshots else ())
  )
  return Run(options.members, measured, cars.mean_iou(interpreter), curve)


def train_car_sized(
  resolution: int, options: training.TrainingOptions
) -> common.Measurement:
  """Trains on 16 random images of the size of the paper's cars."""
  generator = models.random_generator(resolution)
  sampling = generators.Sampling(
    rows=(resolution // 8, resolution - resolution // 8)
  )
  canvas = sampling.canvas(generator.architecture)
  random = np.random.default_rng(0)
  car = schema.get_schema('car_20')
  count = 16
  annotations = annotations_lib.Annotations(
    masks=random.integers(
      0, car.num_classes, (count, canvas.height, canvas.width), np.uint8
    ),
    latents=random.standard_normal(
      (count, generator.architecture.latent_size), np.float32
    ),
    space='z',
    noise_keys=None,
    names=tuple(str(i) for i in range(count)),
    schema=car,
  )
  given, key = (generator, annotations, sampling, options), rng.root_key(0)
  return common.measure(lambda: training.train(*given, key=key).params)[1]


def compare(
  options: training.TrainingOptions,
  release_members: int,
  torch_members: int,
  seed: int,
) -> tuple[list[dict[str, Any]], dict[str, float]]:
  """Runs the variants; a row of numbers of each, and what follows."""
  epochs, replace = options.max_epochs, dataclasses.replace
  runs = {
    'paper': common.alone(train_paper, release_members, epochs, seed),
    'release': common.alone(train_ours, replace(options, mode='release'), seed),
    'default': common.alone(train_ours, replace(options, mode='default'), seed),
  }
  paper, default = runs['paper'], runs['default']
  rows = [
    {
      'variant': name,
      'members': run.members,
      'seconds': run.took.seconds,
      'peak GiB': run.took.peak_gib,
      'mean IoU': run.mean_iou,
    }
    for name, run in runs.items()
  ]
  # Members run one after another, so time is proportional to them.
  seconds = paper.took.seconds * options.members / release_members
  reached = default.seconds_to(paper.mean_iou)
  figures = {
    f'mean IoU of default, evaluation {i}, after {t:.1f} s': found
    for i, (t, found) in enumerate(default.curve, 1)
  }
  figures |= {
    f"the paper's seconds for {options.members} members": seconds,
    "seconds of default to the paper's mean IoU": reached,
    "that as a share of the paper's": reached / seconds,
  }
  if torch_members:
    seconds = common.alone(time_torch, torch_members, epochs, seed)
    seconds *= options.members / torch_members
    figures |= {
      f'seconds of PyTorch for {options.members} members': seconds,
      "default's as a share of PyTorch's": reached / seconds,
    }
  return rows, figures


def main(argv: Sequence[str] | None = None) -> None:
  parser = common.parser(__doc__)
  parser.add_argument(
    '--release_members',
    type=int,
    metavar='N',
    help="train only N members the paper's way and scale the time",
  )
  parser.add_argument(
    '--torch_members',
    type=int,
    default=0,
    metavar='N',
    help='also time N members in PyTorch and scale the time',
  )
  parser.add_argument('--memory', action='store_true')
  parser.add_argument('--resolution', type=int, default=512, metavar='PX')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
    '--options',
    type=json.loads,
    default={},
    help='of `training.TrainingOptions`, as a JSON object',
  )
  args = parser.parse_args(argv)
  options: training.TrainingOptions = validation.build(
    'options', training.TrainingOptions, args.options
  )
  if args.memory:
    # Two evaluations of two steps each hold what six hundred would.
    options = dataclasses.replace(options, steps=4, steps_per_evaluation=2)
    measured = common.alone(train_car_sized, args.resolution, options)
    common.report([dataclasses.asdict(measured)], as_json=args.json)
    return
  members = args.release_members or options.members
  rows, figures = compare(options, members, args.torch_members, args.seed)
  common.report(rows, figures, as_json=args.json)


if __name__ == '__main__':
  main()
