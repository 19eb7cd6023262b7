"""Vectors of the ensemble: its forward pass and its training."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax.checkpoints.origins import release_files
from dgan_jax.interpreter import ensemble, optimization
from dgan_jax.interpreter import release as procedure
from dgan_jax.tasks import part_segmentation
from tests import parity_checks as checks
from tests import small

_Members = list[dict[str, np.ndarray]]

_TORCH_EPS = 2**-23


def members(vectors: checks.Vectors, prefix: str = 'sd/') -> _Members:
  """The members' state dicts, in the order of their numbers."""
  found: dict[int, dict[str, np.ndarray]] = {}
  for key, value in vectors.group(f'{prefix}member_').items():
    number, name = key.split('/', 1)
    found.setdefault(int(number), {})[name] = value
  return [found[number] for number in sorted(found)]


def load(
  state_dicts: _Members, feature_channels: tuple[int, ...]
) -> ensemble.Interpreter:
  """The interpreter that state dicts hold."""
  return release_files.interpreter_from_release(
    state_dicts, feature_channels=feature_channels
  )


def exact_logits(state_dict: dict[str, np.ndarray], x: Any) -> np.ndarray:
  """One member's logits in float64, as the release's network is written."""
  p = {
    k.removeprefix('module.'): v.astype(np.float64)
    for k, v in state_dict.items()
  }
  x = x.astype(np.float64)
  for i in (0, 3, 6):
    x = x @ p[f'layers.{i}.weight'].T + p[f'layers.{i}.bias']
    if i < 6:
      norm = f'layers.{i + 2}'
      root = np.sqrt(p[f'{norm}.running_var'] + ensemble.BATCH_NORM_EPS)
      x = (np.maximum(x, 0) - p[f'{norm}.running_mean']) / root
      x = x * p[f'{norm}.weight'] + p[f'{norm}.bias']
  return x


def exact_statistics(logits: np.ndarray) -> dict[str, np.ndarray]:
  """What a file has of logits [members, pixels, classes], in float64."""
  centred = logits - logits.max(-1, keepdims=True)
  softmax = np.exp(centred)
  total = softmax.sum(-1, keepdims=True)
  softmax /= total
  entropy = np.log(total[..., 0]) - (softmax * centred).sum(-1)
  mean = softmax.mean(0)
  mean /= mean.sum(-1, keepdims=True)
  bounded = np.clip(mean, _TORCH_EPS, 1 - _TORCH_EPS)
  full = -(mean * np.log(bounded)).sum(-1)
  js = full - entropy.mean(0)
  top = np.sort(js)[::-1][: int(js.size / 10)]
  return {
    'mean_softmax': mean,
    'member_entropy': entropy,
    'full_entropy': full,
    'js': js,
    'score': top.mean(),
  }


def our_statistics(logits: jax.Array) -> dict[str, Any]:
  """The same, and the labels, as the library computes them."""
  each = jax.vmap(part_segmentation.member_statistics)(logits)
  total = jax.tree.map(lambda leaf: leaf.sum(0, dtype=leaf.dtype), each)
  js = part_segmentation.uncertainty(total, len(logits))
  return {
    'mean_softmax': total.softmax / len(logits),
    'member_entropy': each.entropy,
    'full_entropy': js + total.entropy / len(logits),
    'js': js,
    'score': part_segmentation.score(js),
    'votes': logits.argmax(-1).T,
    'label': part_segmentation.votes_to_mask(total, soft_voting=False),
  }


def check(vectors: checks.Vectors) -> list[checks.Check]:
  """Feature vectors to labels."""
  state_dicts = members(vectors)
  x = vectors['in/features']
  interpreter = load(state_dicts, (x.shape[1],))
  logits = jax.jit(small.logits)(interpreter, x)
  exact = np.stack([exact_logits(member, x) for member in state_dicts])
  cap = checks.RELATIVE_ERROR * np.abs(exact).max()
  theirs = vectors['out/logits']
  pixels = theirs.shape[1]
  error = checks.measured_error(theirs, exact[:, :pixels], cap)
  results = [checks.compare('logits', logits[:, :pixels], theirs, error)]
  ours, exact_values = jax.jit(our_statistics)(logits), exact_statistics(exact)
  # Of what follows from logits, a rounding of the largest moves the most.
  cap = _TORCH_EPS * max(1.0, np.abs(exact).max())
  for name, value in exact_values.items():
    theirs = vectors[f'out/{name}']
    mine = np.asarray(ours[name])
    if name == 'mean_softmax':  # of the first pixels only
      mine, value = mine[: len(theirs)], value[: len(theirs)]
    mine, value = mine.reshape(theirs.shape), value.reshape(theirs.shape)
    error = checks.measured_error(theirs, value, cap)
    results.append(checks.compare(name, mine, theirs, error))
  margin = vectors['out/min_margin']
  for name in ('votes', 'label'):
    theirs = vectors[f'out/{name}']
    results.append(checks.compare_labels(name, ours[name], theirs, margin))
  return results


def check_training(vectors: checks.Vectors) -> list[checks.Check]:
  """Some steps of the release's procedure on given batches."""
  meta = vectors.meta
  initial = load([vectors.group('init/')], (vectors['in/features'].shape[1],))
  spec = initial.spec
  classifier = ensemble.PixelClassifier(spec.hidden, spec.num_outputs)
  optimizer = procedure.adam()
  step = jax.jit(
    optimization.make_step(
      classifier, optimizer, part_segmentation.cross_entropy
    )
  )
  params, batch_stats = ensemble.split_batch_stats(
    jax.tree.map(lambda leaf: leaf[0], initial.params)
  )
  state = optimization.MemberState(params, batch_stats, optimizer.init(params))
  states, losses = [], []
  ends = np.cumsum(vectors['in/batch_size'])
  for batch in np.split(vectors['in/batch_index'], ends[:-1]):
    x, labels = vectors['in/features'][batch], vectors['in/labels'][batch]
    state, loss = step(state, x, labels, jax.random.key(0))
    states.append(state)
    losses.append(loss)

  error = meta.get('max_loss_err_f32_vs_f64')
  results = [
    checks.compare('loss', jnp.stack(losses), vectors['out/loss'], error)
  ]
  for name, after in (('after1', states[0]), ('final', states[-1])):
    results += _compare_params(name, vectors, spec, after.merged())
  # Adam's first moment is a tenth of the gradient after one step.
  gradient = jax.tree.map(lambda m: 10 * m, states[0].optimizer.mu)
  filled = ensemble.merge_batch_stats(gradient, state.batch_stats)
  results += _compare_params('grad1', vectors, spec, filled)
  trained = _stacked(spec, states[-1].merged())
  theirs = vectors['out/eval_logits_first256']
  x = vectors['in/features'][: len(theirs)]
  ours = jax.jit(small.logits)(trained, x)[0]
  error = meta.get('eval_err')
  return [*results, checks.compare('logits', ours, theirs, error)]


def _stacked(
  spec: ensemble.InterpreterSpec, params: Any
) -> ensemble.Interpreter:
  return ensemble.Interpreter(
    spec, jax.tree.map(lambda leaf: leaf[None], params)
  )


def _compare_params(
  group: str,
  vectors: checks.Vectors,
  spec: ensemble.InterpreterSpec,
  params: Any,
) -> list[checks.Check]:
  """One check per array of a member that the file has in this group."""
  stated = vectors.meta.get('final_param_err_f32_vs_f64', {})
  member = release_files.interpreter_to_release(_stacked(spec, params))[0]
  results = []
  for key, ours in member.items():
    theirs = vectors.get(f'{group}/{key}')
    if theirs is None:
      continue
    error = checks.RELATIVE_ERROR * float(np.abs(theirs).max())
    if group != 'grad1':
      error = stated.get(key, error)
    name = re.sub(r'^module\.layers\.', '', key)
    results.append(checks.compare(f'{group} {name}', ours, theirs, error))
  return results
