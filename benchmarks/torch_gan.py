"""The same networks, losses and step in PyTorch, as its users would run them.

Optional: needs `pip install torch`. Compiled where that works, channels last,
convolutions in bfloat16 if asked; the fakes are judged once for both losses, as
ours. Left out is what costs next to nothing: averaged weights and metrics.
"""

import itertools
import math
import time
from collections.abc import Iterator
from typing import Any

_R1_INTERVAL = 16


def seconds_per_step(
  channels: tuple[int, ...],
  latent_size: int,
  batch_size: int,
  *,
  bfloat16: bool,
  penalty: bool,
  threads: int,
) -> Iterator[tuple[float, float]]:
  """Trains on random images; yields (seconds, CPU seconds) of one step after
  another, the first of which compile.

  Args:
    channels: of every resolution from 4x4 up.
    latent_size: of z and w.
    batch_size: images of a step.
    bfloat16: whether convolutions are; else float32.
    penalty: time the R1 penalty's step instead, always in float32.
    threads: that PyTorch uses.

  Raises:
    ImportError: there is no PyTorch.
  """
  import torch

  torch.manual_seed(0)
  torch.set_num_threads(threads)
  generator = _generator(torch, channels, latent_size)
  discriminator = _discriminator(torch, channels)
  size = 4 * 2 ** (len(channels) - 1)
  reals = torch.randn(batch_size, 3, size, size)
  reals = reals.to(memory_format=torch.channels_last)
  optimizers = [
    torch.optim.Adam(model.parameters(), 0.0025, (0.0, 0.99), fused=True)
    for model in (generator, discriminator)
  ]

  def adversarial() -> None:
    with torch.autocast('cpu', torch.bfloat16, enabled=bfloat16):
      z = torch.randn(2, batch_size, latent_size)
      fakes = generator(z)
      judged = fakes.detach().requires_grad_()
      fake_logits = discriminator(judged)
      real_logits = discriminator(reals)
    softplus = torch.nn.functional.softplus
    loss = softplus(fake_logits).mean() + softplus(-real_logits).mean()
    for optimizer in optimizers:
      optimizer.zero_grad()
    loss.backward()
    factors = -torch.exp(-fake_logits.detach().float())
    fakes.backward(judged.grad * factors[:, None, None, None])
    for optimizer in optimizers:
      optimizer.step()

  def penalize() -> None:
    images = reals[: batch_size // 2].detach().requires_grad_()
    logits = discriminator.plain(images)
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    penalty = slope.square().sum((1, 2, 3)).mean() * (_R1_INTERVAL / 2)
    optimizers[1].zero_grad()
    penalty.backward()
    optimizers[1].step()

  discriminator.plain = discriminator.forward
  if not penalty:
    generator = _compiled(
      torch, generator, torch.zeros(2, batch_size, latent_size)
    )
    discriminator = _compiled(torch, discriminator, reals)
  step = penalize if penalty else adversarial
  for _ in itertools.count():
    start, cpu_start = time.perf_counter(), time.process_time()
    step()
    yield time.perf_counter() - start, time.process_time() - cpu_start


def _compiled(torch: Any, model: Any, example: Any) -> Any:
  """The model compiled, or as it is where there is no compiler."""
  try:
    compiled = torch.compile(model)
    compiled(example)
    return compiled
  except Exception:  # many kinds, by what is missing
    return model


def _generator(torch: Any, channels: tuple[int, ...], latent_size: int) -> Any:
  """StyleGAN1's, as `generators.stylegan1`, with style mixing."""
  nn, functional = torch.nn, torch.nn.functional
  module: Any = nn.Module

  class Dense(module):
    def __init__(self, fan_in: int, size: int, gain: float, lr: float):
      super().__init__()
      self.weight = nn.Parameter(torch.randn(size, fan_in) / lr)
      self.bias = nn.Parameter(torch.zeros(size))
      self.scale, self.lr = gain * lr / math.sqrt(fan_in), lr

    def forward(self, x: Any) -> Any:
      return functional.linear(x, self.weight * self.scale, self.bias * self.lr)

  class Conv(module):
    def __init__(self, fan_in: int, size: int):
      super().__init__()
      self.weight = nn.Parameter(torch.randn(size, fan_in, 3, 3))
      self.bias = nn.Parameter(torch.zeros(size))
      self.scale = math.sqrt(2 / (9 * fan_in))

    def forward(self, x: Any) -> Any:
      return functional.conv2d(
        x, self.weight * self.scale, self.bias, padding=1
      )

  class Epilogue(module):
    def __init__(self, size: int):
      super().__init__()
      self.strength = nn.Parameter(torch.zeros(size))
      self.style = Dense(latent_size, 2 * size, 1, 1)

    def forward(self, x: Any, w: Any) -> Any:
      noise = torch.randn(x.shape[0], 1, *x.shape[2:])
      x = x + (noise * self.strength[None, :, None, None]).to(x.dtype)
      x = functional.instance_norm(functional.leaky_relu(x, 0.2), eps=1e-5)
      scale, shift = self.style(w)[:, :, None, None].to(x.dtype).chunk(2, 1)
      return x * (scale + 1) + shift

  class Block(module):
    def __init__(self, fan_in: int, size: int, first: bool):
      super().__init__()
      self.first = first
      if first:
        self.const = nn.Parameter(torch.ones(1, size, 4, 4))
      else:
        self.up = Conv(fan_in, size)
        kernel = torch.tensor([1.0, 2, 1])
        kernel = torch.outer(kernel, kernel) / 16
        self.register_buffer('kernel', kernel.repeat(size, 1, 1, 1))
      self.conv = Conv(size, size)
      self.epilogues = nn.ModuleList([Epilogue(size), Epilogue(size)])

    def forward(self, x: Any, ws: Any) -> Any:
      if self.first:
        x = self.const.repeat(ws.shape[0], 1, 1, 1)
        x = x.to(memory_format=torch.channels_last)
      else:
        x = self.up(functional.interpolate(x, scale_factor=2))
        x = functional.conv2d(
          x, self.kernel.to(x.dtype), padding=1, groups=x.shape[1]
        )
      x = self.epilogues[0](x, ws[:, 0])
      return self.epilogues[1](self.conv(x), ws[:, 1])

  class Generator(module):
    def __init__(self) -> None:
      super().__init__()
      self.mapping = nn.ModuleList(
        [Dense(latent_size, latent_size, math.sqrt(2), 0.01) for _ in range(8)]
      )
      self.blocks = nn.ModuleList(
        [
          Block(before, size, i == 0)
          for i, (before, size) in enumerate(
            zip((0, *channels), channels, strict=False)
          )
        ]
      )
      self.to_rgb = nn.Conv2d(channels[-1], 3, 1)

    def forward(self, z: Any) -> Any:
      x = z * torch.rsqrt(z.square().mean(-1, keepdim=True) + 1e-8)
      for dense in self.mapping:
        x = functional.leaky_relu(dense(x), 0.2)
      rows = torch.arange(2 * len(channels))[None]
      first = torch.randint(1, rows.shape[1], (z.shape[1], 1))
      mixes = torch.rand(z.shape[1], 1) < 0.5
      ws = torch.where(
        ((rows >= first) & mixes)[..., None], x[1][:, None], x[0][:, None]
      )
      image = None
      for i, block in enumerate(self.blocks):
        image = block(image, ws[:, 2 * i : 2 * i + 2])
      return self.to_rgb(image).float()

  return Generator().to(memory_format=torch.channels_last)


def _discriminator(torch: Any, channels: tuple[int, ...]) -> Any:
  """As `gan.discriminator`."""
  nn, functional = torch.nn, torch.nn.functional
  module: Any = nn.Module

  def activate(x: Any) -> Any:
    return functional.leaky_relu(x, 0.2) * math.sqrt(2)

  class Conv(module):
    def __init__(self, fan_in: int, size: int, width: int, **options: Any):
      super().__init__()
      self.weight = nn.Parameter(torch.randn(size, fan_in, width, width))
      bias = options.pop('bias', True)
      self.bias = nn.Parameter(torch.zeros(size)) if bias else None
      self.scale = 1 / math.sqrt(fan_in * width * width)
      self.options = options

    def forward(self, x: Any) -> Any:
      weight = self.weight * self.scale
      return functional.conv2d(x, weight, self.bias, **self.options)

  def blurred(x: Any, padding: int, stride: int) -> Any:
    taps = torch.tensor([1.0, 3, 3, 1]) / 8
    kernel = torch.outer(taps, taps).to(x.dtype).repeat(x.shape[1], 1, 1, 1)
    return functional.conv2d(
      x, kernel, padding=padding, stride=stride, groups=x.shape[1]
    )

  class Block(module):
    def __init__(self, fan_in: int, size: int):
      super().__init__()
      self.conv_0 = Conv(fan_in, fan_in, 3, padding=1)
      self.conv_1 = Conv(fan_in, size, 3, stride=2)
      self.skip = Conv(fan_in, size, 1, bias=False)

    def forward(self, x: Any) -> Any:
      shortcut = self.skip(blurred(x, 1, 2))
      y = activate(self.conv_0(x))
      y = activate(self.conv_1(blurred(y, 2, 1)))
      return (shortcut + y) * math.sqrt(0.5)

  class Discriminator(module):
    def __init__(self) -> None:
      super().__init__()
      sizes = channels[::-1]
      self.from_rgb = Conv(3, sizes[0], 1)
      self.blocks = nn.ModuleList(
        [Block(a, b) for a, b in itertools.pairwise(sizes)]
      )
      self.conv = Conv(sizes[-1] + 1, sizes[-1], 3, padding=1)
      self.dense = nn.Linear(16 * sizes[-1], sizes[-1])
      self.logit = nn.Linear(sizes[-1], 1)

    def forward(self, x: Any) -> Any:
      x = activate(self.from_rgb(x))
      for block in self.blocks:
        x = block(x)
      groups = x.float().reshape(-1, 4, *x.shape[1:])
      variety = (groups.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
      variety = variety.repeat_interleave(4)[:, None, None, None]
      variety = variety.expand(-1, 1, *x.shape[2:]).to(x.dtype)
      x = activate(self.conv(torch.cat([x, variety], 1)))
      x = activate(self.dense(x.flatten(1)))
      return self.logit(x)[:, 0].float()

  return Discriminator().to(memory_format=torch.channels_last)
