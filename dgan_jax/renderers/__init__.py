"""Domains: pictures that come with their truth, drawn by a program.

  domain = renderers.get('rendered_car', setting='three_quarter', resolution=64)
  rendered = domain.render(0)  # image, mask, keypoints, visible

`batches.render_range` renders many, in several processes.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from dgan_jax import validation
from dgan_jax.renderers.cars import rendered_car
from dgan_jax.renderers.engine import renderer

DOMAINS: Mapping[str, Callable[..., renderer.Domain]] = {
  rendered_car.NAME: rendered_car.Domain,
}


def get(name: str, **options: Any) -> renderer.Domain:
  """A domain by its name, with the options of its class.

  Raises:
    errors.UserError: there is none of that name, or no such pictures.
  """
  validation.expect('name', name, Annotated[str, validation.choice(DOMAINS)])
  return DOMAINS[name](**options)
