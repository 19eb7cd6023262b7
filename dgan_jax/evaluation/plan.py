"""Which interpreters are trained and measured, and the file of what was found.

One thing is varied at a time: the number of annotated samples in every mode,
and at the reference number dropout and the choice of the samples.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from dgan_jax import errors, storage, validation
from dgan_jax.generators import selection
from dgan_jax.interpreter import training


@dataclasses.dataclass(frozen=True)
class Run:
  """One interpreter."""

  annotated: int  # samples that it learns from
  candidates: int  # that these are chosen from; 0: the first ones are taken
  seed: int  # of these samples and of its training
  options: training.TrainingOptions  # the voting plays no part

  @property
  def choice(self) -> str:
    """Which samples these are, in words."""
    return f'chosen of {self.candidates}' if self.candidates else 'the first'

  def __str__(self) -> str:
    options = self.options
    dropout = f', dropout {options.dropout:g}' if options.dropout else ''
    return (
      f'{self.annotated} annotated samples ({self.choice}), {options.mode} '
      f'mode{dropout}, seed {self.seed}'
    )


@dataclasses.dataclass(frozen=True)
class Plan:
  """All runs of an evaluation."""

  options: training.TrainingOptions  # the reference, which all is varied of
  # Numbers of annotated samples, for every mode.
  annotated: tuple[validation.Count, ...] = (1, 4, 8, 16, 32)
  # One that nobody would paint, to see what more samples could bring, for the
  # mode of `options`; 0: none.
  ceiling: validation.Whole = 200
  reference: validation.Count = 16  # the number of them for all else
  # That they are chosen from; the reference also learns from the first ones.
  candidates: Annotated[int, validation.between(0, selection.MOST)] = 500
  modes: tuple[Annotated[str, validation.choice(training.MODES)], ...] = (
    training.MODES
  )
  # Shares of hidden units, for the mode of `options`.
  dropouts: tuple[validation.ShareBelow1, ...] = (0.0, 0.1)
  seeds: tuple[validation.Index, ...] = (0,)  # everything is run with each

  def __post_init__(self) -> None:
    validation.check(self)
    if not self.seeds:
      validation.refuse('seeds', self.seeds, 'one or more')
    most = max(*self.annotated, self.reference)
    if self.ceiling and self.ceiling <= most:
      validation.refuse('ceiling', self.ceiling, f'0, or more than {most}')

  def counts(self, mode: str | None = None) -> tuple[int, ...]:
    """Numbers of annotated samples of a mode (default: the reference's),
    ascending, the reference among them."""
    counts = {*self.annotated, self.reference}
    if self.ceiling and mode in (None, self.options.mode):
      counts.add(self.ceiling)
    return tuple(sorted(counts))

  @property
  def all_modes(self) -> tuple[str, ...]:
    """Modes, that of the reference first."""
    return tuple(dict.fromkeys((self.options.mode, *self.modes)))

  @property
  def voting(self) -> str:
    """Of the reference."""
    return 'soft' if self.options.soft_voting else 'majority'

  def run(
    self,
    seed: int,
    annotated: int | None = None,
    candidates: int | None = None,
    **changes: Any,
  ) -> Run:
    """The reference with other annotated samples or other options."""
    options = dataclasses.replace(self.options, soft_voting=False, **changes)
    if candidates is None:
      candidates = self.candidates
    return Run(annotated or self.reference, candidates, seed, options)

  def runs(self) -> tuple[Run, ...]:
    """Every run once, the reference of every seed first."""

    def of_seed(seed: int) -> Iterator[Run]:
      yield self.run(seed)
      for mode in self.all_modes:
        for count in self.counts(mode):
          yield self.run(seed, count, mode=mode)
      for dropout in self.dropouts:
        yield self.run(seed, dropout=dropout)
      yield self.run(seed, candidates=0)

    return tuple(
      dict.fromkeys(run for seed in self.seeds for run in of_seed(seed))
    )


class Rows:
  """What was found about runs, a line of JSON for each, in the order of time.

  A run has its line or none, whenever the process ends; lines of other plans
  do no harm.
  """

  def __init__(self, path: storage.PathLike):
    """Raises errors.UserError for a file that holds something else."""
    self._path = storage.path(path)
    self._lines: list[str] = []
    self._found: dict[str, dict[str, Any]] = {}
    if not self._path.exists():
      return
    for number, line in enumerate(self._path.read_text('utf-8').splitlines()):
      try:
        row = json.loads(line)
        self._found[_name(row['run'])] = row['found']
      except (ValueError, KeyError, TypeError):
        raise errors.UserError(
          f'{self._path}, line {number + 1}, is no row of an evaluation; take '
          'the line away to have it measured again.'
        ) from None
      self._lines.append(line)

  def add(self, run: Run, found: Mapping[str, Any]) -> None:
    """Raises OSError if the file cannot be written."""
    row = {'run': dataclasses.asdict(run), 'found': found}
    line = json.dumps(row, allow_nan=False)
    storage.write_text(self._path, '\n'.join([*self._lines, line]) + '\n')
    self._lines.append(line)
    self._found[_name(row['run'])] = json.loads(line)['found']

  def __contains__(self, run: Run) -> bool:
    return _name(dataclasses.asdict(run)) in self._found

  def __getitem__(self, run: Run) -> dict[str, Any]:
    return self._found[_name(dataclasses.asdict(run))]


def _name(run: Any) -> str:
  return json.dumps(run, sort_keys=True)
