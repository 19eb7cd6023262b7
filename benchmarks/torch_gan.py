"""The training of `benchmarks.gan_training` in PyTorch: StyleGAN1 against the
residual discriminator. Import it only where PyTorch is installed.

Images are channels-last in memory, convolutions bfloat16 where asked for; left
out is what costs next to nothing: averaged weights and metrics.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks import common
from dgan_jax.gan import state as state_lib


def make_step(
  channels: tuple[int, ...],
  latent_size: int,
  options: state_lib.Options,
  *,
  penalty: bool,
) -> Callable[[], None]:
  """A step on random images; see `gan_training.our_step`."""
  torch.manual_seed(0)
  torch.set_num_threads(common.cores())
  generator: Any = Generator(channels, latent_size)
  discriminator: Any = Discriminator(channels)
  optimizers = []
  for model in (generator, discriminator):
    model.to(memory_format=torch.channels_last)
    optimizers.append(
      torch.optim.Adam(model.parameters(), 0.0025, (0.0, 0.99), fused=True)
    )
  size = 4 * 2 ** (len(channels) - 1)
  reals = torch.randn(options.batch_size, 3, size, size)
  reals = reals.to(memory_format=torch.channels_last)
  latents = torch.zeros(2, options.batch_size, latent_size)

  def take_penalty() -> None:
    loss = _penalty(discriminator, reals[: options.r1_batch])
    optimizers[1].zero_grad()
    (loss * options.r1_interval / 2).backward()
    optimizers[1].step()

  if penalty:
    return take_penalty
  generator = _compiled(generator, latents)
  discriminator = _compiled(discriminator, reals)
  bfloat16 = options.dtype == 'bfloat16'

  def step() -> None:
    for optimizer in optimizers:
      optimizer.zero_grad()
    with torch.autocast('cpu', torch.bfloat16, enabled=bfloat16):
      fakes = generator(torch.randn_like(latents))
      judged = fakes.detach().requires_grad_()
      fake_logits, real_logits = discriminator(judged), discriminator(reals)
    # Gradients of both losses, with the fakes judged once.
    softplus = functional.softplus
    (softplus(fake_logits).mean() + softplus(-real_logits).mean()).backward()
    factors = -torch.exp(-fake_logits.detach().float())
    fakes.backward(judged.grad * factors[:, None, None, None])
    for optimizer in optimizers:
      optimizer.step()

  return step


def _penalty(discriminator: Any, images: Any) -> Any:
  """R1's, without its weight."""
  images = images.detach().requires_grad_()
  logits = discriminator(images)
  (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
  return slope.square().sum((1, 2, 3)).mean()


def _compiled(model: Any, example: Any) -> Any:
  """The model compiled, or as it is where there is no compiler."""
  try:
    compiled = torch.compile(model)
    compiled(example)
    return compiled
  except Exception:  # many kinds, by what is missing
    return model


class Generator(nn.Module):
  """As `generators.stylegan1`, with style mixing: z [2, n, latent_size] ->
  RGB [n, 3, size, size]."""

  def __init__(self, channels: tuple[int, ...], latent_size: int):
    super().__init__()
    self.mapping = nn.ModuleList(
      _Equalized(latent_size, latent_size, gain=math.sqrt(2), lr=0.01)
      for _ in range(8)
    )
    self.blocks = nn.ModuleList(
      _Upwards(before, size, latent_size)
      for before, size in zip((0, *channels), channels, strict=False)
    )
    self.to_rgb = nn.Conv2d(channels[-1], 3, 1)

  def forward(self, z: Any) -> Any:
    x = z * torch.rsqrt(z.square().mean(-1, keepdim=True) + 1e-8)
    for dense in self.mapping:
      x = functional.leaky_relu(dense(x), 0.2)
    rows = torch.arange(2 * len(self.blocks))[None]
    first = torch.randint(1, rows.shape[1], (z.shape[1], 1))
    mixes = torch.rand(z.shape[1], 1) < 0.5
    ws = torch.where(
      ((rows >= first) & mixes)[..., None], x[1][:, None], x[0][:, None]
    )
    image = None
    for i, block in enumerate(self.blocks):
      image = block(image, ws[:, 2 * i : 2 * i + 2])
    return self.to_rgb(image).float()


class Discriminator(nn.Module):
  """As `gan.discriminator`: RGB [n, 3, size, size] -> logits [n]."""

  def __init__(self, channels: tuple[int, ...]):
    super().__init__()
    sizes = channels[::-1]
    self.from_rgb = _Equalized(sizes[0], 3, 1, 1)
    self.blocks = nn.ModuleList(
      _Downwards(a, b) for a, b in itertools.pairwise(sizes)
    )
    self.conv = _Equalized(sizes[-1], sizes[-1] + 1, 3, 3)
    self.dense = nn.Linear(16 * sizes[-1], sizes[-1])
    self.logit = nn.Linear(sizes[-1], 1)

  def forward(self, x: Any) -> Any:
    x = _activate(self.from_rgb(x))
    for block in self.blocks:
      x = block(x)
    groups = x.float().reshape(-1, 4, *x.shape[1:])
    deviation = (groups.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    deviation = deviation.repeat_interleave(4)[:, None, None, None]
    deviation = deviation.expand(-1, 1, *x.shape[2:]).to(x.dtype)
    x = _activate(self.conv(torch.cat([x, deviation], 1), padding=1))
    x = _activate(self.dense(x.flatten(1)))
    return self.logit(x)[:, 0].float()


class _Equalized(nn.Module):
  """Dense layer or convolution of an equalised learning rate, by the shape of
  its weight."""

  def __init__(
    self, *shape: int, gain: float = 1, lr: float = 1, bias: bool = True
  ):
    super().__init__()
    self.weight = nn.Parameter(torch.randn(shape) / lr)
    self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
    self.scale, self.lr = gain * lr / math.sqrt(math.prod(shape[1:])), lr

  def forward(self, x: Any, **options: Any) -> Any:
    layer: Any = functional.linear if x.ndim < 4 else functional.conv2d
    bias = self.bias if self.bias is None else self.bias * self.lr
    return layer(x, self.weight * self.scale, bias, **options)


class _Epilogue(nn.Module):
  def __init__(self, size: int, latent_size: int):
    super().__init__()
    self.noise_strength = nn.Parameter(torch.zeros(size))
    self.style = _Equalized(2 * size, latent_size)

  def forward(self, x: Any, w: Any) -> Any:
    noise = torch.randn(x.shape[0], 1, *x.shape[2:])
    x = x + (noise * self.noise_strength[None, :, None, None]).to(x.dtype)
    x = functional.instance_norm(functional.leaky_relu(x, 0.2), eps=1e-5)
    scale, shift = self.style(w)[:, :, None, None].to(x.dtype).chunk(2, 1)
    return x * (scale + 1) + shift


class _Upwards(nn.Module):
  """A block of the generator; the first one has no `fan_in`."""

  def __init__(self, fan_in: int, size: int, latent_size: int):
    super().__init__()
    gain = math.sqrt(2)
    if fan_in:
      self.up = _Equalized(size, fan_in, 3, 3, gain=gain)
    else:
      self.const = nn.Parameter(torch.ones(1, size, 4, 4))
    self.conv = _Equalized(size, size, 3, 3, gain=gain)
    self.epilogues = nn.ModuleList(
      _Epilogue(size, latent_size) for _ in range(2)
    )

  def forward(self, x: Any, ws: Any) -> Any:
    if x is None:
      x = self.const.repeat(ws.shape[0], 1, 1, 1)
      x = x.to(memory_format=torch.channels_last)
    else:
      x = self.up(functional.interpolate(x, scale_factor=2), padding=1)
      x = _filtered(x, [1, 2, 1], padding=1)
    x = self.epilogues[0](x, ws[:, 0])
    return self.epilogues[1](self.conv(x, padding=1), ws[:, 1])


class _Downwards(nn.Module):
  """A block of the discriminator."""

  def __init__(self, fan_in: int, size: int):
    super().__init__()
    self.conv_0 = _Equalized(fan_in, fan_in, 3, 3)
    self.conv_1 = _Equalized(size, fan_in, 3, 3)
    self.skip = _Equalized(size, fan_in, 1, 1, bias=False)

  def forward(self, x: Any) -> Any:
    taps = [1, 3, 3, 1]
    shortcut = self.skip(_filtered(x, taps, padding=1, stride=2))
    y = _filtered(_activate(self.conv_0(x, padding=1)), taps, padding=2)
    return (shortcut + _activate(self.conv_1(y, stride=2))) * math.sqrt(0.5)


def _activate(x: Any) -> Any:
  return functional.leaky_relu(x, 0.2) * math.sqrt(2)


def _filtered(x: Any, taps: Sequence[int], **options: int) -> Any:
  """A depthwise filter that keeps the brightness."""
  line = torch.tensor(taps, dtype=torch.float32)
  kernel = (torch.outer(line, line) / line.sum().square()).to(x.dtype)
  kernel = kernel.repeat(x.shape[1], 1, 1, 1)
  return functional.conv2d(x, kernel, groups=x.shape[1], **options)
