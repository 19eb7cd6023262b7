"""Rendered cars, 64 px, with what comes in the package: the default.

The generator was trained on procedurally rendered cars and the annotator of
its 16 samples is simulated. No download, no licence to accept.

Time on 2 CPU cores: well under a minute to train the interpreter, about a
minute per 1,000 labelled samples.

  python -m launch.train_interpreter --workdir=out/rendered_car
  python -m launch.generate --workdir=out/rendered_car
"""

from configs import common


def get_config() -> common.ConfigDict:
  return common.get_config()
