"""What files of PyTorch call the arrays of a StyleGAN2.

Two origins: StyleGAN2-ADA, and the community's port that EditGAN uses.
"""

import re
from typing import Any

import numpy as np

from dgan_jax import errors
from dgan_jax.checkpoints.origins import (
  architecture_hints,
  arrays_to_generator,
  state_dict,
)
from dgan_jax.generators import stylegan2

ADA_TITLE = 'StyleGAN2-ADA in PyTorch'
EDITGAN_TITLE = 'StyleGAN2 of EditGAN and rosinality'

# The clamp that StyleGAN2-ADA always trains with.
ADA_CONV_CLAMP = 256.0

_FILTER = np.outer((1, 3, 3, 1), (1, 3, 3, 1)).astype(np.float32) / 64


def _conv(path: state_dict.Path) -> tuple[int, int]:
  """('synthesis', 'block_8', 'conv_0', ...) to (8, 0)."""
  return int(path[1].removeprefix('block_')), int(path[2][-1])


def _from_zero(resolution: int, conv: int) -> int:
  """Number of a convolution or its noise, 4x4's first: 0; 8x8's: 1 and 2."""
  return 2 * (resolution.bit_length() - 3) + conv - 1


# StyleGAN2-ADA in PyTorch.

_ADA_CONV: arrays_to_generator.Leaves = {
  ('kernel',): ('weight', 'oihw'),
  ('bias',): ('bias', 'same'),
  ('noise_strength',): ('noise_strength', 'same'),
  ('style', 'kernel'): ('affine.weight', 'oi'),
  ('style', 'bias'): ('affine.bias', 'same'),
}
_ADA_RGB: arrays_to_generator.Leaves = {
  **_ADA_CONV,
  ('kernel',): ('weight', 'oi11'),
}
_ADA_DENSE: arrays_to_generator.Leaves = {
  ('kernel',): ('weight', 'oi'),
  ('bias',): ('bias', 'same'),
}
# Settings of every block, and the same as an argument of the network.
_ADA_BLOCK = r'synthesis\.b[0-9]+\.'
_ADA_ARGUMENT = r'_init_kwargs\.synthesis_kwargs\.'
# Where it is set, it is set to this, or our network is another.
_ADA_STANDARD = {
  r'mapping\.fc[0-9]+\.activation': ('lrelu',),
  r'mapping\.fc[0-9]+\.bias_gain': (0.01,),
  r'mapping\.embed\.activation': ('linear',),
  r'mapping\.embed\.bias_gain': (1,),
  r'synthesis\.b[0-9]+\.conv[01]\.activation': ('lrelu',),
  r'synthesis\.b[0-9]+\.conv[01]\.use_noise': (True,),
  r'synthesis\.b[0-9]+\.conv0\.up': (2,),
  r'synthesis\.b[0-9]+\.conv1\.up': (1,),
}


def _ada_architecture(
  arrays: state_dict.StateDict,
  settings: architecture_hints.Settings,
  source: str,
) -> stylegan2.StyleGAN2:
  architecture_hints.check_settings(settings, _ADA_STANDARD, source)
  resolutions = architecture_hints.resolutions(
    arrays, r'synthesis\.b([0-9]{1,5})\.', source, ADA_TITLE
  )

  def size(key: str, axis: int) -> int:
    return state_dict.size_of(arrays, key, axis, source, ADA_TITLE)

  num_labels = embedded = 0
  if 'mapping.embed.weight' in arrays:
    embedded = size('mapping.embed.weight', 0)
    num_labels = size('mapping.embed.weight', 1)
  stated = architecture_hints.only(
    settings, rf'{_ADA_BLOCK}architecture|{_ADA_ARGUMENT}architecture', source
  )
  clamp: Any = ADA_CONV_CLAMP
  if settings:
    pattern = rf'{_ADA_BLOCK}(conv[01]|torgb)\.conv_clamp'
    clamp = architecture_hints.only(
      settings, rf'{pattern}|{_ADA_ARGUMENT}conv_clamp', source
    )
  return architecture_hints.made(
    stylegan2.StyleGAN2,
    source,
    resolution=max(resolutions),
    channels=tuple(
      size(f'synthesis.b{r}.conv1.weight', 0) for r in resolutions
    ),
    latent_size=architecture_hints.check_latent(
      size('mapping.fc0.weight', 1) - embedded,
      size('synthesis.b4.conv1.affine.weight', 1),
      source,
    ),
    mapping_layers=architecture_hints.count_layers(
      arrays, r'mapping\.fc([0-9]+)\.'
    ),
    num_labels=num_labels,
    block=stated
    or architecture_hints.block(
      arrays, 'synthesis.b4.torgb.weight', 'synthesis.b8.skip.weight'
    ),
    conv_clamp=architecture_hints.clamp(clamp),
  )


def _ada_key(
  path: state_dict.Path, architecture: stylegan2.StyleGAN2
) -> tuple[str, str]:
  match path:
    case ('mapping', layer, *leaf):
      name = layer.replace('dense_', 'fc')
      return arrays_to_generator.joined(f'mapping.{name}', leaf, _ADA_DENSE)
    case ('synthesis', block, 'const'):
      return 'synthesis.b4.const', 'chw'
    case ('synthesis', block, layer, *leaf):
      name = layer.replace('_', '')
      leaves = _ADA_CONV if layer.startswith('conv') else _ADA_RGB
      key = f'synthesis.b{block.removeprefix("block_")}.{name}'
      return arrays_to_generator.joined(key, leaf, leaves)
  raise AssertionError(path)


def _ada_noise(architecture: stylegan2.StyleGAN2) -> list[state_dict.Entry]:
  layers = ['b4.conv1'] + [
    f'b{r}.conv{i}' for r in architecture.resolutions[1:] for i in (0, 1)
  ]
  return [
    state_dict.Entry(
      f'synthesis.{layer}.noise_const', ('noise', str(i)), (1, r, r, 1), '1hw1'
    )
    for i, (layer, r) in enumerate(
      zip(layers, architecture.noise_resolutions, strict=True)
    )
  ]


def _ada_filters(architecture: stylegan2.StyleGAN2) -> state_dict.StateDict:
  owners = [
    f'synthesis.b{r}{layer}'
    for r in architecture.resolutions
    for layer in ('', '.conv0', '.conv1', '.skip')
    if r > 4 or layer in ('', '.conv1')
    if architecture.block == 'resnet' or layer != '.skip'
  ]
  return {f'{owner}.resample_filter': _FILTER for owner in owners}


ADA = arrays_to_generator.Naming(
  title=ADA_TITLE,
  marker='synthesis.b4.const',
  architecture=_ada_architecture,
  key_of=_ada_key,
  noise=_ada_noise,
  w_avg='mapping.w_avg',
  constants=_ada_filters,
)


# EditGAN's port.

_EDITGAN_CONV: arrays_to_generator.Leaves = {
  ('kernel',): ('conv.weight', '1oihw'),
  ('bias',): ('activate.bias', 'same'),
  ('noise_strength',): ('noise.weight', '1'),
  ('style', 'kernel'): ('conv.modulation.weight', 'oi'),
  ('style', 'bias'): ('conv.modulation.bias', 'same'),
}
_EDITGAN_RGB: arrays_to_generator.Leaves = {
  **_EDITGAN_CONV,
  ('kernel',): ('conv.weight', '1oi11'),
  ('bias',): ('bias', '1c11'),
}


def _editgan_architecture(
  arrays: state_dict.StateDict,
  settings: architecture_hints.Settings,
  source: str,
) -> stylegan2.StyleGAN2:
  convs = {
    int(match[1])
    for key in arrays
    if (match := re.match(r'convs\.([0-9]{1,3})\.', key))
  }
  if not convs or len(convs) % 2 or convs != set(range(len(convs))):
    raise errors.UserError(
      f'{source} has convolutions {state_dict.listed(convs)}; expected 0, 1, '
      f'2, ..., two per resolution as in {EDITGAN_TITLE}.'
    )

  def size(key: str, axis: int) -> int:
    return state_dict.size_of(arrays, key, axis, source, EDITGAN_TITLE)

  layers = ['conv1'] + [f'convs.{i}' for i in range(1, len(convs), 2)]
  return architecture_hints.made(
    stylegan2.StyleGAN2,
    source,
    resolution=2 ** (1 + len(layers)),
    channels=tuple(size(f'{layer}.conv.weight', 1) for layer in layers),
    latent_size=architecture_hints.check_latent(
      size('style.1.weight', 1),
      size('conv1.conv.modulation.weight', 1),
      source,
    ),
    mapping_layers=architecture_hints.count_layers(
      arrays, r'style\.([0-9]+)\.'
    ),
  )


def _editgan_key(
  path: state_dict.Path, architecture: stylegan2.StyleGAN2
) -> tuple[str, str]:
  match path:
    case ('mapping', layer, *leaf):
      # style.0 is the pixel norm.
      number = int(layer.removeprefix('dense_')) + 1
      return arrays_to_generator.joined(f'style.{number}', leaf, _ADA_DENSE)
    case ('synthesis', _, 'const'):
      return 'input.input', '1chw'
    case ('synthesis', block, 'to_rgb', *leaf):
      number = int(block.removeprefix('block_')).bit_length() - 4
      layer = 'to_rgb1' if number < 0 else f'to_rgbs.{number}'
      return arrays_to_generator.joined(layer, leaf, _EDITGAN_RGB)
    case ('synthesis', _, _, *leaf):
      number = _from_zero(*_conv(path)) - 1
      layer = 'conv1' if number < 0 else f'convs.{number}'
      return arrays_to_generator.joined(layer, leaf, _EDITGAN_CONV)
  raise AssertionError(path)


def _editgan_filters(architecture: stylegan2.StyleGAN2) -> state_dict.StateDict:
  stages = range(len(architecture.channels) - 1)
  keys = [f'convs.{2 * i}.conv.blur.kernel' for i in stages]
  keys += [f'to_rgbs.{i}.upsample.kernel' for i in stages]
  # With the gain of twice upsampling.
  return dict.fromkeys(keys, 4 * _FILTER)


EDITGAN = arrays_to_generator.Naming(
  title=EDITGAN_TITLE,
  marker='input.input',
  architecture=_editgan_architecture,
  key_of=_editgan_key,
  noise=lambda architecture: arrays_to_generator.noise_entries(
    architecture, 'noises.noise_{}'
  ),
  w_avg='latent_avg',  # beside the state dict in the file
  constants=_editgan_filters,
)
