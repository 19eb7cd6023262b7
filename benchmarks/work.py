"""How much arithmetic a labelled image takes, counted from the architecture.

Counted are the multiply-adds of convolutions and dense layers in the cheapest
form known: for a source pixel, an input and an output channel an upsampling
convolution needs 16 in StyleGAN1 (nearest pixels, then 3x3: four phases of 2x2
taps) and 9 in StyleGAN2 (transposed 3x3); the members' first layer acts on
features where they live. What acts on one channel at a time (noise, norms,
blurs, interpolation, activations) and what follows the logits is not counted,
although it takes time.
"""

import itertools

from dgan_jax import pyramid
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1
from dgan_jax.interpreter import ensemble


def synthesis(architecture: generators.Architecture) -> int:
  """Multiply-adds from one latent to the image."""
  latent, channels = architecture.latent_size, architecture.channels
  stages = list(zip(architecture.resolutions, channels, strict=True))
  is_first = isinstance(architecture, stylegan1.StyleGAN1)
  upsampling = 16 if is_first else 9
  # (taps, size where they are counted, input channels, output channels)
  layers = [(9, 4, channels[0], channels[0])]
  for (_, below), (size, here) in itertools.pairwise(stages):
    layers += [(upsampling, size // 2, below, here), (9, size, here, here)]
    if getattr(architecture, 'block', '') == 'resnet':
      layers.append((1, size // 2, below, here))
  block = getattr(architecture, 'block', 'orig')
  images = stages if block == 'skip' else stages[-1:]
  layers += [(1, size, here, 3) for size, here in images]

  total = architecture.mapping_layers * latent**2
  if architecture.num_labels:  # the embedding, beside z in the first layer
    total += (architecture.num_labels + latent) * latent
  for taps, size, inputs, outputs in layers:
    total += taps * size**2 * inputs * outputs
    if not is_first and taps > 1:
      total += latent * inputs + inputs * outputs  # style and demodulation
  if is_first:  # scale and shift after both convolutions
    return total + 2 * sum(2 * latent * here for here in channels)
  return total + sum(latent * here for _, here in images)


def labels(
  spec: ensemble.InterpreterSpec,
  architecture: generators.Architecture,
  canvas: pyramid.Canvas,
  stacked: bool = False,
) -> int:
  """Multiply-adds from the features of an image to every member's logits;
  `stacked`: if features are upsampled before they meet the first layer, as in
  the paper, and not after."""
  hidden, last = spec.hidden
  across, share = canvas.width, canvas.height / canvas.size[0]
  sizes = (r for r in architecture.resolutions for _ in range(2))
  total = across**2 * share * (hidden * last + last * spec.num_outputs)
  for size, channels in zip(sizes, spec.feature_channels, strict=True):
    size = across if stacked else min(size, across)
    total += size**2 * share * channels * hidden
  return spec.members * round(total)
