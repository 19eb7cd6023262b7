"""The tasks there are, by their names."""

from collections.abc import Mapping
from typing import Any

from dgan_jax import errors
from dgan_jax import schema as schema_lib
from dgan_jax.tasks import keypoints, part_segmentation, task

KINDS = (part_segmentation.PartSegmentation.kind, keypoints.Keypoints.kind)


def create(
  kind: str, schema: schema_lib.Schema, *, soft_voting: bool = False
) -> task.Task:
  """A task by its name, one of `KINDS`; for `soft_voting` see
  `PartSegmentation`.

  Raises:
    errors.UserError: there is no such task, or the schema has no keypoints.
  """
  if kind == keypoints.Keypoints.kind:
    return keypoints.Keypoints(schema)
  if kind == part_segmentation.PartSegmentation.kind:
    return part_segmentation.PartSegmentation(schema, soft_voting)
  raise errors.UserError(
    f'There is no task {kind!r}; there are {", ".join(KINDS)}.'
  )


def from_json(value: Mapping[str, Any]) -> task.Task:
  """A task from what its `to_json` gave.

  Raises:
    errors.UserError: it is something else.
  """
  try:
    return create(
      value['kind'],
      schema_lib.Schema.from_json(value['schema']),
      soft_voting=value.get('soft_voting', False) is True,
    )
  except (AttributeError, KeyError, TypeError) as error:
    raise errors.UserError(
      f'{str(value)[:60]!r} describes no task ({type(error).__name__}).'
    ) from None
