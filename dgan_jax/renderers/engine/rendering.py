"""What rendering processes run; imports little, so that they start soon."""

from collections.abc import Sequence

from dgan_jax.renderers.engine.renderer import Domain, Rendered


def render_some(domain: Domain, indices: Sequence[int]) -> list[Rendered]:
  """Some pictures of a domain."""
  return [domain.render(index) for index in indices]
