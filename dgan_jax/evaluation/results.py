"""What the runs of an evaluation found."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgan_jax import metrics
from dgan_jax import schema as schema_lib
from dgan_jax.evaluation import annotated_samples, label_quality
from dgan_jax.evaluation import plan as plan_lib


class Outcome:
  """All that a plan's runs found."""

  def __init__(
    self,
    plan: plan_lib.Plan,
    found: Mapping[plan_lib.Run, Mapping[str, Any]],
    truth: annotated_samples.Truth,
    schema: schema_lib.Schema,
  ):
    """`found` has what `label_quality.summary` gave for every run of the plan,
    by the `truth`, whose labels are of the `schema`."""
    self.plan = plan
    self.found = found
    self.classes = schema.classes
    self.counts = metrics.ClassCounts.of(truth.masks, schema.num_classes)

  def values(
    self,
    *path: Any,
    annotated: int | None = None,
    candidates: int | None = None,
    voting: str | None = None,
    **changes: Any,
  ) -> np.ndarray:
    """One figure of the reference, or of what differs from it, by seed.

    Args:
      *path: where the figure is in what was found with a voting.
      annotated: samples, if others.
      candidates: for them, if others.
      voting: if another.
      **changes: of its options.
    """
    values = []
    for seed in self.plan.seeds:
      run = self.plan.run(seed, annotated, candidates, **changes)
      found: Any = self.found[run]
      for step in (voting or self.plan.voting, *path):
        found = found[step]
      values.append(found)
    return np.array(values)

  def by_count(self, name: str, mode: str) -> np.ndarray:
    """A figure over the numbers of annotated samples of the mode, [counts,
    seeds]."""
    return np.stack(
      [
        self.values(name, annotated=count, mode=mode)
        for count in self.plan.counts(mode)
      ]
    )

  def by_dropped(self, name: str, mode: str) -> np.ndarray:
    """A figure of the reference, [shares of `label_quality.DROPPED`, seeds]."""
    return np.stack(
      [
        self.values('kept', place, name, mode=mode)
        for place in range(len(label_quality.DROPPED))
      ]
    )

  def to_json(self) -> dict[str, Any]:
    """All of it, as what JSON can hold."""
    shares = self.counts.pixel_shares.tolist()
    return {
      'pixel_shares': dict(zip(self.classes, shares, strict=True)),
      'runs': [
        {'run': dataclasses.asdict(run), 'found': found}
        for run, found in self.found.items()
      ],
    }
