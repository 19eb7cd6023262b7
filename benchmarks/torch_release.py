"""The release's training procedure in PyTorch, as its users run it.

Import it only where PyTorch is installed. Features are stacked beforehand by
us, off the clock; what is timed is one member after another: a shuffling data
loader, batches of 64, Adam 1e-3, the accuracy of every batch, the stopping
rule.
"""

import time

import numpy as np
import torch
from torch import nn

from dgan_jax.interpreter import ensemble, release


def train(
  features: np.ndarray,
  labels: np.ndarray,
  num_classes: int,
  *,
  members: int,
  max_epochs: int,
  seed: int,
) -> float:
  """Trains members one after another on features float32 [pixels, features] and
  labels, integers [pixels]; returns seconds."""
  torch.manual_seed(seed)
  data = torch.utils.data.TensorDataset(
    torch.from_numpy(features), torch.from_numpy(labels).long()
  )
  start = time.perf_counter()
  for _ in range(members):
    _train_member(data, features.shape[1], num_classes, max_epochs)
  return time.perf_counter() - start


def _train_member(data, num_features, num_classes, max_epochs):  # type: ignore[no-untyped-def]
  layers: list[nn.Module] = []
  for size in ensemble.hidden_sizes(num_classes):
    layers += [nn.Linear(num_features, size), nn.ReLU(), nn.BatchNorm1d(size)]
    num_features = size
  model = nn.Sequential(*layers, nn.Linear(num_features, num_classes))
  for layer in model:
    if isinstance(layer, nn.Linear):
      nn.init.normal_(layer.weight, 0, 0.02)
      nn.init.zeros_(layer.bias)
  optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
  loader = torch.utils.data.DataLoader(
    data, batch_size=release.BATCH_SIZE, shuffle=True
  )
  best, misses = float('inf'), 0
  for epoch in range(max_epochs):
    for x, y in loader:
      optimizer.zero_grad()
      logits = model(x)
      loss = nn.functional.cross_entropy(logits, y)
      (logits.log_softmax(1).argmax(1) == y).float().mean()
      loss.backward()
      optimizer.step()
      if epoch >= release.FULL_EPOCHS:
        value = loss.item()
        best, misses = (value, 0) if value < best else (best, misses + 1)
        if misses > release.PATIENCE:
          return
