"""The whole way in seconds: two members, 24 samples. For tests.

python -m launch.demo --config=configs/tiny.py --workdir=out/tiny
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.get_config()
  config.dataset.config_name = 'tiny'
  config.interpreter.members = 2
  config.interpreter.steps = 50
  config.factory.num_samples = 24
  config.factory.samples_per_shard = 8
  return config
