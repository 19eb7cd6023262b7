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
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import common, models, paper_dataflow, torch_release
from dgan_jax import rng, schema
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, training
from dgan_jax.training import run_folder


@dataclasses.dataclass(frozen=True)
class Run:
  """A trained ensemble in numbers.

  Attributes:
    members: of the ensemble.
    seconds: to train it.
    peak_gib: of the process that did.
    mean_iou: on the evaluation masks.
    curve: (seconds, mean IoU) along the way.
  """

  members: int
  seconds: float
  peak_gib: float
  mean_iou: float
  curve: tuple[tuple[float, float], ...] = ()

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
  interpreter, measured = common.measure(
    lambda: paper_dataflow.train(
      cars.subject.generator,
      cars.annotated,
      cars.subject.sampling,
      members=members,
      max_epochs=max_epochs,
      key=rng.root_key(seed),
    )
  )
  return Run(
    members,
    measured.seconds,
    measured.peak_gib,
    cars.mean_iou(interpreter),
  )


def time_torch(members: int, max_epochs: int, seed: int) -> float:
  """Seconds of the release's procedure in PyTorch."""
  cars = models.BundledCars.load()
  stacked = paper_dataflow.stack(
    cars.subject.generator, cars.annotated, cars.subject.sampling
  )
  return torch_release.train(
    np.array(stacked),
    cars.annotated.masks.ravel(),
    cars.annotated.schema.num_classes,
    members=members,
    max_epochs=max_epochs,
    seed=seed,
  )


def train_ours(options: training.TrainingOptions, seed: int) -> Run:
  """Our training, either procedure."""
  cars = models.BundledCars.load()
  snapshots = _Snapshots() if options.mode == 'default' else None
  interpreter, measured = common.measure(
    lambda: training.train(
      cars.subject.generator,
      cars.annotated,
      cars.subject.sampling,
      options,
      key=rng.root_key(seed),
      folder=snapshots,
    )
  )
  curve = [
    (seconds, cars.mean_iou(ensemble.Interpreter(interpreter.spec, params)))
    for seconds, params in (snapshots.taken if snapshots else ())
  ]
  return Run(
    options.members,
    measured.seconds,
    measured.peak_gib,
    cars.mean_iou(interpreter),
    tuple(curve),
  )


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
  return common.measure(
    lambda: (
      training.train(
        generator, annotations, sampling, options, key=rng.root_key(0)
      ).params
    )
  )[1]


def _alone(function: Any, *args: Any) -> Any:
  common.note(f'{function.__name__}{args}')
  with common.fresh_process() as process:
    return process.submit(function, *args).result()


def compare(
  options: training.TrainingOptions,
  release_members: int,
  torch_members: int,
  seed: int,
) -> dict[str, Any]:
  """Runs the variants."""
  paper = _alone(train_paper, release_members, options.max_epochs, seed)
  release = _alone(
    train_ours, dataclasses.replace(options, mode='release'), seed
  )
  default = _alone(
    train_ours, dataclasses.replace(options, mode='default'), seed
  )
  # Members run one after another, so time is proportional to them.
  paper_seconds = paper.seconds * options.members / release_members
  to_target = default.seconds_to(paper.mean_iou)
  result: dict[str, Any] = {
    'runs': {'paper': paper, 'release': release, 'default': default},
    'paper_seconds': paper_seconds,
    'seconds_to_paper_mean_iou': to_target,
    'share_of_paper_seconds': to_target / paper_seconds,
  }
  if torch_members:
    seconds = _alone(time_torch, torch_members, options.max_epochs, seed)
    seconds *= options.members / torch_members
    result['torch_seconds'] = seconds
    result['share_of_torch_seconds'] = to_target / seconds
  return result


def _format(result: dict[str, Any]) -> str:
  rows = [['', 'members', 'seconds', 'peak GiB', 'mean IoU']]
  for name, run in result['runs'].items():
    rows.append(
      [
        name,
        str(run.members),
        f'{run.seconds:.1f}',
        f'{run.peak_gib:.2f}',
        f'{run.mean_iou:.4f}',
      ]
    )
  curve = [['default after s', 'mean IoU']]
  for seconds, mean_iou in result['runs']['default'].curve:
    curve.append([f'{seconds:.1f}', f'{mean_iou:.4f}'])
  paper, default = (result['runs'][name] for name in ('paper', 'default'))
  lines = [common.table(rows), common.table(curve)]
  if paper.members != default.members:
    lines.append(
      f"The paper's mean IoU is that of {paper.members} members only; its "
      f'time for {default.members} is taken as '
      f'{result["paper_seconds"]:.1f} s.'
    )
  lines.append(
    f"The default reaches the paper's mean IoU after "
    f'{result["seconds_to_paper_mean_iou"]:.1f} s: '
    f"{result['share_of_paper_seconds']:.3f} of the paper's time."
  )
  if 'torch_seconds' in result:
    lines.append(
      f'In PyTorch {default.members} members take '
      f'{result["torch_seconds"]:.0f} s, by those timed; ours a share of '
      f'{result["share_of_torch_seconds"]:.3f}.'
    )
  return '\n\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
  options = common.parser(__doc__)
  options.add_argument(
    '--release_members',
    type=int,
    metavar='N',
    help="train only N members the paper's way and scale the time",
  )
  options.add_argument(
    '--torch_members',
    type=int,
    default=0,
    metavar='N',
    help='also time N members in PyTorch and scale the time',
  )
  options.add_argument('--memory', action='store_true')
  options.add_argument('--resolution', type=int, default=512, metavar='PX')
  common.add_training_options(options)
  args = options.parse_args(argv)
  chosen = common.training_options(args)
  result: dict[str, Any] = {'machine': common.describe_machine()}
  if args.memory:
    # Two evaluations of two steps each hold what six hundred would.
    short = dataclasses.replace(chosen, steps=4, steps_per_evaluation=2)
    measured = _alone(train_car_sized, args.resolution, short)
    result |= dataclasses.asdict(measured)
    text = f'{measured.peak_gib:.2f} GiB at most, {measured.seconds:.0f} s.'
  else:
    members = args.release_members or chosen.members
    result |= compare(chosen, members, args.torch_members, args.seed)
    text = _format(result)
  common.report(result, text, as_json=args.json)


if __name__ == '__main__':
  main()
