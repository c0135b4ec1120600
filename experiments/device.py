"""What TensorFlow computes on."""

import functools
import os

import tensorflow as tf

from experiments.errors import UsageError


def device() -> str:
    """The processors, for headers and results; GPUs are made ready for use.

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
    if not gpus:
        return f"CPU ({os.cpu_count()} cores)"
    _prepare(tuple(gpus))
    names = [tf.config.experimental.get_device_details(g).get("device_name", "unnamed") for g in gpus]
    return f"{len(gpus)} GPU ({', '.join(sorted(set(names)))}), XLA"


@functools.cache
def _prepare(gpus) -> None:
    """Memory as it is needed, not all at once; XLA, which on a CPU makes these convolutions 3 to 6 times slower."""
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.optimizer.set_jit("autoclustering")


def on_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def memory_bytes() -> int:
    """Physical memory; 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30
