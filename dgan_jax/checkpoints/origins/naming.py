"""How files name a generator's arrays, and what these show of its network."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dgan_jax import errors
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.origins import state_dict
from dgan_jax.checkpoints.origins.state_dict import Entry, StateDict
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan2
from dgan_jax.generators.generator import Architecture

# What a file says about its network beside the arrays: plain values.
Settings = Mapping[str, Any]
# Leaves of a layer of ours to (key, layout) within the layer of theirs.
Leaves = Mapping[str, tuple[str, str]]

_NOTHING = r'(?!)'  # matches nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Naming:
  """How files of one origin name a generator's arrays.

  In their keys {r} is the resolution of a block and {up} its number, 0 for
  8 px; {i} is the number of a layer or of a convolution in its block, {next}
  the number after, {conv} that of a convolution from 8 px on and {n} that of a
  noise map.
  """

  title: str  # the origin, for people
  kind: type[Architecture]
  marker: str  # a key that every such network has and no other
  # Layers of ours to theirs, with their leaves; the first that has one counts.
  layers: Mapping[str, tuple[str, Leaves]]
  blocks: str  # matches keys of a block; its group is the resolution
  counted: bool = False  # the group of `blocks` is {conv} instead
  noise_key: str = ''  # of constant maps, if such files have them
  noise_layout: str = 'nchw'
  w_avg: str | None = None  # key of the mean w, None if such files have none
  blurs: Sequence[str] = ()  # keys of arrays that may be missing
  blur: Any = None  # what they must equal
  unused: str = _NOTHING  # keys of arrays that the network does not use
  conditional: str = _NOTHING  # keys that mark conditional networks, refused
  # The values that ours can do, for every key of a setting that matches.
  standard: Mapping[str, tuple[Any, ...]] = dataclasses.field(
    default_factory=dict
  )
  # Fields of the architecture that (settings, source) say and arrays do not.
  options: Callable[[Settings, str], dict[str, Any]] = lambda *_: {}

  def key_of(self, path: str) -> tuple[str, str] | None:
    """(key, layout) of 'mapping.dense_0.bias'; None: files have no such."""
    separator = '/' if '/' in self.marker else '.'
    for layer, (theirs, leaves) in self.layers.items():
      pattern = re.sub(r'\{(\w)\}', r'(?P<\1>[0-9]+)', layer) + r'\.'
      match = re.match(pattern, path)
      if match and (leaf := leaves.get(path[match.end() :])):
        numbers = {k: int(v) for k, v in match.groupdict().items()}
        key = _numbered(theirs, **numbers)
        return f'{key}{separator}{leaf[0]}', leaf[1]
    return None

  def entries(self, architecture: Architecture) -> list[Entry]:
    """One for every parameter."""
    shapes = generators.shapes(architecture, has_noise=False)['params']
    return state_dict.entries_of(shapes, self._key)

  def noise(self, architecture: Architecture) -> list[Entry]:
    """One for every constant noise map, if such files have them."""
    # Every block has two, but StyleGAN2's first has only the second.
    return [
      Entry(
        _numbered(self.noise_key, r, (n + 1) % 2, n),
        ('noise', str(n)),
        (1, r, r, 1),
        self.noise_layout,
      )
      for n, r in enumerate(architecture.noise_resolutions)
      if self.noise_key
    ]

  def constants(self, architecture: Architecture) -> dict[str, np.ndarray]:
    """What the architecture implies and files repeat, {key: array}."""
    block = getattr(architecture, 'block', '')
    return {
      _numbered(key, r): self.blur
      for key in self.blurs
      for r in architecture.resolutions[1:]
      if block == 'resnet' or '.skip.' not in key
    }

  def architecture(
    self, arrays: StateDict, settings: Settings, source: str
  ) -> Architecture:
    """What the arrays and settings of a file show of its network.

    Raises:
      errors.UserError: it is another network, or does what ours does not.
    """
    self._check(arrays, settings, source)
    resolutions = self._resolutions(arrays, source)

    def size(path: str, axis: str) -> int:
      key, layout = self._key(path)
      return state_dict.size_of(arrays, key, layout, axis, source, self.title)

    two = self.kind is stylegan2.StyleGAN2
    conv, styled = ('conv_1', 'conv_1') if two else ('conv', 'epilogue_1')
    embed = self.key_of('mapping.embed.kernel')
    conditional = embed is not None and embed[0] in arrays
    w_size = size(f'synthesis.block_4.{styled}.style.kernel', 'i')
    z_size = size('mapping.dense_0.kernel', 'i')
    if conditional:
      z_size -= size('mapping.embed.kernel', 'o')
    if z_size != w_size:
      raise errors.UserError(
        f'{source} has latents z of {z_size} numbers and w of {w_size}; '
        'expected the same number.'
      )
    dense = re.escape(self._key('mapping.dense_0.kernel')[0])
    dense = re.sub('[0-9]+', '[0-9]+', dense, count=1)
    fields: dict[str, Any] = {
      'resolution': max(resolutions),
      'channels': tuple(
        size(f'synthesis.block_{r}.{conv}.kernel', 'o') for r in resolutions
      ),
      'latent_size': w_size,
      'mapping_layers': sum(bool(re.fullmatch(dense, key)) for key in arrays),
    }
    if two:
      fields['block'] = self._block(arrays)
    if conditional:
      fields['num_labels'] = size('mapping.embed.kernel', 'i')
    fields |= self.options(settings, source)
    try:
      return self.kind(**fields)
    except ValueError as error:
      shown = untrusted.shown(error, 200)
      raise errors.UserError(f'{source}: {shown}') from None

  def _check(self, arrays: StateDict, settings: Settings, source: str) -> None:
    for key in arrays:
      if re.search(self.conditional, key):
        raise errors.UserError(
          f'{source} has a conditional network ({untrusted.shown(key)} of '
          f'shape {arrays[key].shape}); only unconditional ones of TensorFlow '
          'are supported.'
        )
    for pattern, supported in self.standard.items():
      for key, value in settings.items():
        if re.fullmatch(pattern, key) and value not in supported:
          raise errors.UserError(
            f'{source} has a network with {untrusted.shown(key)} = '
            f'{untrusted.shown(value)}; expected '
            f'{" or ".join(map(repr, supported))}.'
          )

  def _key(self, path: str) -> tuple[str, str]:
    found = self.key_of(path)
    assert found, path
    return found

  def _resolutions(self, arrays: StateDict, source: str) -> list[int]:
    """Resolutions of the synthesis blocks, 4 first."""
    matches = (re.match(self.blocks, key) for key in arrays)
    found = sorted({int(match[1]) for match in matches if match})
    count = min(len(found), 64)  # a file may have 100,000
    if self.counted:
      resolutions = [4 * 2**n for n in range(count // 2 + 1)]
      right = found == list(range(count)) and count % 2 == 0
      what = 'convolutions {}; expected 0, 1, 2, ..., two per resolution'
    else:
      resolutions = [4 * 2**n for n in range(min(count, 16))]
      right = found == resolutions
      what = 'synthesis blocks of {} px; expected 4, 8, 16, ...'
    if not found or not right:
      what = what.format(state_dict.listed(found))
      raise errors.UserError(f'{source} has {what} as in {self.title}.')
    return resolutions

  def _block(self, arrays: StateDict) -> str:
    """How a StyleGAN2 connects its blocks, by layers of only some kinds."""
    skip = self.key_of('synthesis.block_8.skip.kernel')
    first_image = self._key('synthesis.block_4.to_rgb.kernel')[0]
    if skip is None or first_image in arrays:
      return 'skip'
    return 'resnet' if skip[0] in arrays else 'orig'


def _numbered(key: str, r: int = 4, i: int = 0, n: int = 0) -> str:
  up = r.bit_length() - 4
  return key.format(r=r, i=i, n=n, next=i + 1, up=up, conv=2 * up + i)
