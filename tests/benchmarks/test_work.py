import jax
import jax.numpy as jnp
import pytest

from benchmarks import models, work
from dgan_jax import pyramid
from dgan_jax.generators import stylegan1, stylegan2
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import part_segmentation


@pytest.mark.parametrize(
  'architecture',
  [
    stylegan1.StyleGAN1(64, (64, 96, 64, 32, 48), 64),
    stylegan2.StyleGAN2(64, (64, 96, 64, 32, 48), 64),
    stylegan2.StyleGAN2(64, (64, 96, 64, 32, 48), 64, block='resnet'),
    stylegan2.StyleGAN2(64, (64, 96, 64, 32, 48), 64, block='orig'),
  ],
  ids=str,
)
def test_what_xla_counts_is_this_and_a_little_for_single_channels(architecture):
  def synthesize(params, z):
    w = architecture.map(params, z)
    ws = jnp.repeat(w[:, None], architecture.num_ws, 1)
    return architecture.synthesize(params, ws, None)

  params = jax.eval_shape(architecture.init, jax.random.key(0))
  z = jax.ShapeDtypeStruct((1, architecture.latent_size), jnp.float32)
  counted = jax.jit(synthesize).lower(params, z).cost_analysis()['flops']
  assert 0.9 < 2 * work.synthesis(architecture) / counted < 1


def test_official_networks_have_the_features_of_the_papers():
  for network, count in (('StyleGAN1', 5056), ('StyleGAN2', 6016)):
    assert sum(models.architecture(512, network).feature_channels) == count


def test_the_labels_of_a_small_interpreter_are_counted_by_hand():
  architecture = stylegan1.StyleGAN1(8, (3, 2), 4)
  spec = ensemble.InterpreterSpec(
    (3, 3, 2, 2), part_segmentation.unnamed(6), (5, 4), members=7
  )
  canvas = pyramid.Canvas.of(8, (2, 6))
  heads = 4 * 8 * (5 * 4 + 4 * 6)
  native = 2 * 4 * 6 * 5 + 4 * 8 * 4 * 5  # half of the rows
  stacked = 4 * 8 * 10 * 5
  assert work.labels(spec, architecture, canvas) == 7 * (heads + native)
  assert work.labels(spec, architecture, canvas, stacked=True) == 7 * (
    heads + stacked
  )
