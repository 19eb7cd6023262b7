"""The same networks, losses and step in PyTorch, as its users would run them.

Optional: needs `pip install torch`. Compiled where that works, channels last,
convolutions in bfloat16 if asked; the fakes are judged once for both losses, as
ours. Left out is what costs next to nothing: averaged weights and metrics.
"""

import itertools
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

  from benchmarks import torch_networks

  torch.manual_seed(0)
  torch.set_num_threads(threads)
  generator: Any = torch_networks.Generator(channels, latent_size)
  discriminator: Any = torch_networks.Discriminator(channels)
  optimizers = []
  for model in (generator, discriminator):
    model.to(memory_format=torch.channels_last)
    optimizers.append(
      torch.optim.Adam(model.parameters(), 0.0025, (0.0, 0.99), fused=True)
    )
  size = 4 * 2 ** (len(channels) - 1)
  reals = torch.randn(batch_size, 3, size, size)
  reals = reals.to(memory_format=torch.channels_last)
  latents = torch.zeros(2, batch_size, latent_size)
  if not penalty:
    generator = _compiled(torch, generator, latents)
    discriminator = _compiled(torch, discriminator, reals)
  for _ in itertools.count():
    start, cpu_start = time.perf_counter(), time.process_time()
    if penalty:
      loss = _penalty(torch, discriminator, reals[: batch_size // 2])
      optimizers[1].zero_grad()
      loss.backward()
      optimizers[1].step()
    else:
      for optimizer in optimizers:
        optimizer.zero_grad()
      with torch.autocast('cpu', torch.bfloat16, enabled=bfloat16):
        fakes = generator(torch.randn_like(latents))
        judged = fakes.detach().requires_grad_()
        fake_logits, real_logits = discriminator(judged), discriminator(reals)
      _descend(torch, fakes, judged, fake_logits, real_logits)
      for optimizer in optimizers:
        optimizer.step()
    yield time.perf_counter() - start, time.process_time() - cpu_start


def _descend(
  torch: Any, fakes: Any, judged: Any, fake_logits: Any, real_logits: Any
) -> None:
  """Gradients of both losses, with the fakes judged once."""
  softplus = torch.nn.functional.softplus
  (softplus(fake_logits).mean() + softplus(-real_logits).mean()).backward()
  factors = -torch.exp(-fake_logits.detach().float())
  fakes.backward(judged.grad * factors[:, None, None, None])


def _penalty(torch: Any, discriminator: Any, images: Any) -> Any:
  """R1's, for all the steps that go without."""
  images = images.detach().requires_grad_()
  logits = discriminator(images)
  (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
  return slope.square().sum((1, 2, 3)).mean() * (_R1_INTERVAL / 2)


def _compiled(torch: Any, model: Any, example: Any) -> Any:
  """The model compiled, or as it is where there is no compiler."""
  try:
    compiled = torch.compile(model)
    compiled(example)
    return compiled
  except Exception:  # many kinds, by what is missing
    return model
