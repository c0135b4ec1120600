# One file, three images: `cpu`, `gpu` (CUDA from NVIDIA's wheels, the driver from the host) and `test`.
# Each installs its requirements before the code comes in, so a change of code rebuilds one small layer. --chmod: under a
# umask of 077 a clone could be read by root alone.

FROM python:3.11-slim-bookworm AS base
LABEL org.opencontainers.image.title="Deep Bayes classifiers under attack" \
      org.opencontainers.image.description="TensorFlow 2 port of the experiments of Li, Bradshaw, Sharma (ICML 2019)" \
      org.opencontainers.image.url="https://arxiv.org/abs/1802.06552" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-bookworm"
# hadolint ignore=DL3008 # Debian's data package: one version a release
RUN apt-get update \
 && apt-get install --yes --no-install-recommends dataset-fashion-mnist \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home deepbayes \
 && install --directory --mode 1777 /data \
 && install --directory --owner deepbayes --group deepbayes /results
ENV DEEPBAYES_DATA=/data \
    DEEPBAYES_RESULTS=/results \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/deepbayes
ENTRYPOINT ["/opt/deepbayes/docker/entrypoint.sh"]
CMD ["./run_experiments.sh", "--help"]

FROM base AS cpu-requirements
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/pip python -m pip install --disable-pip-version-check -r requirements.txt

FROM cpu-requirements AS gpu-requirements
COPY requirements-gpu.txt .
RUN --mount=type=cache,target=/root/.cache/pip python -m pip install --disable-pip-version-check -r requirements-gpu.txt
# Read by the NVIDIA container toolkit: which GPUs and which parts of the driver it hands to the container.
ENV DEEPBAYES_REQUIRE_GPU=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM cpu-requirements AS test
COPY requirements-dev.txt .
RUN --mount=type=cache,target=/root/.cache/pip python -m pip install --disable-pip-version-check -r requirements-dev.txt
# The tests run as whoever owns /results, who may write nowhere else but in /tmp.
ENV HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis \
    PYTEST_ADDOPTS="-o cache_dir=/tmp/pytest"
COPY --chmod=755 . .
USER 1000

FROM gpu-requirements AS gpu
COPY --chmod=755 . .
USER 1000

FROM cpu-requirements AS cpu
COPY --chmod=755 . .
USER 1000
