"""One run: an interpreter is trained, and measured."""

import contextlib
import time
from collections.abc import Callable

from dgan_jax import progress, rng
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.evaluation import annotated_samples, label_quality, plan
from dgan_jax.interpreter import ensemble, training

# (what is counted) -> context of an `on_progress` that shows it.
Show = Callable[[str], contextlib.AbstractContextManager[progress.OnProgress]]


def train_and_measure(
  subject: annotated_samples.Subject,
  run: plan.Run,
  annotated: annotations_lib.Annotations,
  truth: annotated_samples.Truth,
  show: Show,
) -> tuple[ensemble.Interpreter, label_quality.Measured, dict[str, float]]:
  """Trains as launch.train_interpreter does, then labels what is measured on.

  Args:
    subject: whose images are labelled.
    run: how.
    annotated: the samples that the run learns from.
    truth: what is measured on.
    show: how far it is.

  Returns:
    The interpreter, what it was worth, and the seconds that both took.
  """
  start = time.monotonic()
  with show('steps') as on_progress:
    interpreter = training.train(
      subject.generator,
      annotated,
      subject.sampling,
      run.options,
      key=rng.stream(rng.root_key(run.seed), 'interpreter'),
      on_progress=on_progress,
    )
  trained = time.monotonic()
  with show('samples') as on_progress:
    measured = label_quality.measure(
      subject, interpreter, truth, on_progress=on_progress
    )
  seconds = {
    'training_seconds': trained - start,
    'measuring_seconds': time.monotonic() - trained,
  }
  return interpreter, measured, seconds
