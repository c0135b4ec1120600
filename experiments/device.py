"""What TensorFlow computes on."""

import os

import tensorflow as tf

from experiments.errors import UsageError


def device() -> str:
    """The processors, for headers and results.

    Raises:
      UsageError: DEEPBAYES_REQUIRE_GPU is set, as in the gpu image, and TensorFlow sees no GPU: the work would run
        many times slower than its user expects.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus and os.environ.get("DEEPBAYES_REQUIRE_GPU"):
        raise UsageError(
            "TensorFlow sees no GPU. On the host `nvidia-smi` must list one and the NVIDIA container toolkit must be "
            "installed (https://docs.nvidia.com/datacenter/cloud-native/container-toolkit). TF_CPP_MIN_LOG_LEVEL=0 "
            "shows what TensorFlow misses. Without a GPU use the service cpu: docker compose run cpu "
            "./run_experiments.sh ..."
        )
    return f"{len(gpus)} GPU" if gpus else f"CPU ({os.cpu_count()} cores)"
