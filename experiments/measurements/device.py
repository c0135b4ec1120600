"""What TensorFlow computes on."""

import functools
import os
from pathlib import Path

import tensorflow as tf

from deepbayes.experiments.settings.errors import UsageError

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


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
        return f"CPU ({cores()} core{'s' if cores() > 1 else ''})"
    _prepare(tuple(gpus))
    names = [tf.config.experimental.get_device_details(g).get("device_name", "unnamed") for g in gpus]
    return f"{len(gpus)} GPU ({', '.join(sorted(set(names)))}), XLA"


def cores() -> int:
    """That this process may use: `taskset` and batch systems give it fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@functools.cache
def _prepare(gpus) -> None:
    """Memory as it is needed, not all at once; XLA, which on a CPU makes these convolutions 3 to 6 times slower."""
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        pass  # TensorFlow is at work already, as in a notebook: memory stays as whoever started it chose
    tf.config.optimizer.set_jit("autoclustering")


def memory_bytes() -> int:
    """Memory that may be used: the machine's or, where it is less, the container's; 8 GiB where nobody says."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        physical = 8 << 30
    try:
        return min(physical, int(_CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or "max"
        return physical
