#!/usr/bin/env bash
# Builds the gpu image in full and reports on it; by hand, where 20 GB are free. Needs no GPU: on a machine that has one
# it also computes on it. Exit 0: everything that can be checked here holds.
#   tests/container/gpu.sh > docs/gpu-image.txt
set -euo pipefail
cd "$(dirname "$0")/../.."
compose=(docker compose -p deepbayes)

start=$SECONDS
"${compose[@]}" build --quiet gpu >&2
echo "built in $((SECONDS - start)) s (with what was cached), $(docker image inspect deepbayes-gpu --format '{{.Size}}' |
    awk '{printf "%.2f GB", $1 / 1e9}')"
docker image inspect deepbayes-gpu --format 'user {{.Config.User}}, {{len .RootFS.Layers}} layers'
docker image inspect deepbayes-gpu --format '{{range .Config.Env}}{{println .}}{{end}}' | grep -E '^(NVIDIA|DEEPBAYES)_'

docker run --rm --interactive --env TF_CPP_MIN_LOG_LEVEL=3 deepbayes-gpu python - <<'PYTHON' 2>/dev/null
import ctypes, sysconfig
from pathlib import Path
import cleverhans, keras, tensorflow as tf, tensorflow_probability as tfp

build = tf.sysconfig.get_build_info()
print(f"TensorFlow {tf.__version__}, built for CUDA {build['cuda_version']} and cuDNN {build['cudnn_version']}; "
      f"Keras {keras.__version__}, TFP {tfp.__version__}, CleverHans {cleverhans.__version__}")
wheels = Path(sysconfig.get_paths()["purelib"]) / "nvidia"
libraries = sorted(wheels.glob("*/lib/*.so*"))
for _ in range(len(libraries)):  # they need each other in no known order
    missing = {}
    for file in libraries:
        try:
            ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            missing[file.name] = str(error)
    if not missing:
        break
print(f"{len(libraries) - len(missing)} of {len(libraries)} CUDA libraries load")
for name, error in missing.items():
    print(f"  {name}: {error}")
assert all("libcuda.so.1" in error for error in missing.values()), "more is missing than the host's driver"
for tool in ("bin/ptxas", "nvvm/libdevice/libdevice.10.bc"):
    print(f"XLA's {tool}: {'there' if (wheels / 'cuda_nvcc' / tool).exists() else 'MISSING'}")
    assert (wheels / "cuda_nvcc" / tool).exists()
PYTHON

run=(./run_experiments.sh fgsm --num-images 20)
echo "a container without a GPU (docker run):"
if output=$(docker run --rm deepbayes-gpu "${run[@]}" 2>&1); then
    echo "it went on without a GPU"
    exit 1
fi
grep '^error: TensorFlow sees no GPU' <<<"$output"
echo "the service (docker compose run gpu):"
status=0
output=$("${compose[@]}" run --rm gpu "${run[@]}" 2>&1) || status=$?
tail -n 40 <<<"$output"
echo "exit code $status"
"${compose[@]}" down >/dev/null 2>&1
