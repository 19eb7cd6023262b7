import json

import numpy as np
import pytest
import safetensors.numpy

from dgan_jax import errors
from dgan_jax.checkpoints.formats import safetensors_format


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'generator.safetensors'
