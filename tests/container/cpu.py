"""The images and the compose file, really built and run: needs Docker with BuildKit and Compose 2, and 10 minutes.

    ./run_experiments.sh test tests/container/cpu.py

Not part of the plain suite (pytest collects test_*.py): a machine without Docker has nothing to test here.
"""

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import ROOT

PROJECT = "deepbayes-check"
OWNER = 4321
"""Who owns the results folder on the host: no user that the image knows."""
COMPOSE = ["docker", "compose", "-p", PROJECT]
RUN = [*COMPOSE, "run", "--rm"]
FGSM = ["./run_experiments.sh", "fgsm", "--num-images", "20"]


ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("DEEPBAYES_")}


def sh(*command, check=True, **environment) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [str(c) for c in command], cwd=ROOT, env=ENVIRONMENT | environment, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def inspect(name: str) -> dict:
    return json.loads(sh("docker", "inspect", name).stdout)[0]


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind():
    yield
    sh(*COMPOSE, "down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="module")
def cpu() -> str:
    """The name of the built image."""
    sh(*COMPOSE, "build", "cpu")
    return f"{PROJECT}-cpu"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder on the host that belongs to OWNER."""
    folder = tmp_path_factory.mktemp("results")
    for parent in (folder, *folder.parents):
        if parent == Path("/tmp"):
            break
        parent.chmod(0o755)
    shutil.chown(folder, OWNER, OWNER)
    return folder


@pytest.fixture(scope="module")
def attacked(cpu, results):
    return sh(*RUN, "cpu", *FGSM, DEEPBAYES_RESULTS=str(results))


# ---- the files ----


def test_the_dockerfile_satisfies_hadolint():
    sh(Path(sys.executable).with_name("hadolint"), "Dockerfile")


def test_no_mount_covers_the_code_and_only_gpu_asks_for_a_gpu():
    services = json.loads(sh(*COMPOSE, "config", "--format", "json").stdout)["services"]
    assert services.keys() == {"cpu", "gpu", "test"}
    for name, service in services.items():
        assert {v["target"] for v in service["volumes"]} == {"/results", "/data"}
        assert service["build"]["target"] == name
        assert service["cap_drop"] == ["ALL"]
    (device,) = services["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert not any("deploy" in services[name] for name in ("cpu", "test"))


def test_a_results_folder_that_does_not_exist_is_not_made_as_root(cpu, tmp_path):
    missing = tmp_path / "none"
    done = sh(*RUN, "cpu", "true", check=False, DEEPBAYES_RESULTS=str(missing))
    assert done.returncode != 0
    assert str(missing) in done.stderr
    assert not missing.exists()


# ---- the image ----


def test_the_image_says_what_it_is_and_runs_as_a_user_without_rights(cpu):
    configuration = inspect(cpu)["Config"]
    assert configuration["User"] == "1000"
    assert configuration["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert sh("docker", "run", "--rm", cpu, "id", "-u").stdout.strip() == "1000"
    assert sh("docker", "run", "--rm", "--user", "77:77", cpu, "id", "-u").stdout.strip() == "77"


def test_compose_becomes_the_owner_of_the_results_and_keeps_no_capability(cpu, results):
    status = sh(*RUN, "cpu", "cat", "/proc/self/status", DEEPBAYES_RESULTS=str(results)).stdout
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split() == fields["Gid"].split() == [str(OWNER)] * 4
    assert int(fields["CapEff"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"


def test_the_image_holds_code_and_weights_and_nothing_of_the_work_tree_besides(cpu):
    found = set(sh("docker", "run", "--rm", cpu, "ls", "-A", "/opt/deepbayes").stdout.split())
    packages = {f.split("/")[0] for f in sh("git", "ls-files", "*/__init__.py").stdout.split()}
    assert len(packages) >= 6
    assert packages | {"tests", "run_experiments.sh", "LICENSE"} <= found
    assert not found & {".git", ".venv", "Dockerfile"}
    shown = sh("docker", "run", "--rm", cpu, "ls", "-A", "/opt/deepbayes/results").stdout
    assert shown.split() == ["reference"]


def test_requirements_are_a_layer_of_their_own_that_the_test_image_shares(cpu):
    sh(*COMPOSE, "build", "test")
    of_cpu, of_test = (inspect(f"{PROJECT}-{name}")["RootFS"]["Layers"] for name in ("cpu", "test"))
    assert of_test[: len(of_cpu) - 1] == of_cpu[:-1]  # all but the code


def test_debians_fashion_mnist_passes_its_test_in_the_test_image(cpu):
    command = ["./run_experiments.sh", "test", "tests/test_data.py", "-k", "fashion_mnist_from_debians_package"]
    assert "1 passed" in sh(*RUN, "test", *command).stdout


def test_tests_that_keep_examples_and_a_cache_pass_as_whoever_owns_the_results(results):
    """The code's folder is root's, and a warning is an error."""
    found = sh(*RUN, "test", "./run_experiments.sh", "test", "tests/test_noise.py", DEEPBAYES_RESULTS=str(results))
    assert "passed" in found.stdout
    assert "failed" not in found.stdout


# ---- a run ----


def test_fgsm_prints_its_table(attacked):
    for name in ("GFZ", "GFY", "GBZ", "GBY", "DFZ", "DFX", "DBX"):
        assert f"│ {name} " in attacked.stdout
    assert "n = 20 test images of mnist5k" in attacked.stdout
    assert "installing" not in attacked.stderr


def test_results_land_on_the_host_and_belong_to_the_folders_owner(attacked, results):
    assert len(list(results.rglob("*.json"))) == 7 * 6
    assert (results / "mnist5k" / "fgsm_corrected_n20.png").stat().st_size > 10_000
    assert {(p.stat().st_uid, p.stat().st_gid) for p in results.rglob("*")} == {(OWNER, OWNER)}


def test_a_second_run_computes_nothing_and_prints_the_same(attacked, results):
    before = {f: f.stat().st_mtime_ns for f in results.glob("*/*/*.json")}
    again = sh(*RUN, "cpu", *FGSM, DEEPBAYES_RESULTS=str(results))
    assert again.stdout == attacked.stdout
    assert before == {f: f.stat().st_mtime_ns for f in results.glob("*/*/*.json")}


def test_detection_needs_no_training_set(attacked, results):
    """On the attack results that exist, by the training logits that ship in the image."""
    before = {f: f.stat().st_mtime_ns for f in results.glob("*/*/fgsm_*.json")}
    command = ["./run_experiments.sh", "detect", "--attack", "fgsm", "--num-images", "20"]
    done = sh(*RUN, "cpu", *command, DEEPBAYES_RESULTS=str(results))
    assert "detected by Marginal detection" in done.stdout
    assert before == {f: f.stat().st_mtime_ns for f in results.glob("*/*/fgsm_*.json")}


def test_the_hosts_data_folder_is_used(cpu, results, mnist_dir, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(mnist_dir / "mnist.npz", data)
    for path in (data / "mnist.npz", data, tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    command = ["./run_experiments.sh", "evaluate", "--classifiers", "DFX", "--num-images", "100"]
    done = sh(*RUN, "cpu", *command, DEEPBAYES_RESULTS=str(results), DEEPBAYES_DATA=str(data))
    assert "100 test images of mnist, " in done.stderr
    assert list(results.glob("mnist/DFX/clean-*.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fgsm", "--eps", "-1"], "not a finite number >= 0"),
        (["evaluate", "--dataset", "fashion_mnist"], "no weights at"),
        (["test"], "docker compose run test"),
    ],
)
def test_bad_input_exits_with_2_and_the_cure(cpu, results, arguments, message):
    done = sh(*RUN, "cpu", "./run_experiments.sh", *arguments, check=False, DEEPBAYES_RESULTS=str(results))
    assert done.returncode == 2
    assert message in done.stdout + done.stderr


def test_ctrl_c_on_the_terminal_ends_the_run_and_keeps_what_is_finished(cpu, results):
    """Through a real terminal, as a user's Ctrl-C goes."""
    command = [*RUN, "cpu", *FGSM, "--seed", "1"]
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT | {"DEEPBAYES_RESULTS": str(results)},
        stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    os.set_blocking(master, False)
    kept, output, end = list(results.glob("*/*/*.json")), b"", time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end:
        try:
            output += os.read(master, 65536)
        except (BlockingIOError, OSError):
            time.sleep(0.1)
        if len(list(results.glob("*/*/*.json"))) > len(kept) and b"^C" not in output:
            os.write(master, b"\x03")
            time.sleep(1)
    assert process.wait(timeout=60) == 130, output[-3000:].decode(errors="replace")
    assert b"the same command goes on from there" in output
    assert not sh("docker", "ps", "-q", "--filter", f"label=com.docker.compose.project={PROJECT}").stdout
    assert not list(results.rglob("*.tmp"))


# ---- the GPU service, without a GPU ----


def test_without_a_gpu_the_gpu_image_stops_with_the_cure(cpu, results):
    """By the variable that the gpu image sets: the check is the same code."""
    done = sh(*RUN, "-e", "DEEPBAYES_REQUIRE_GPU=1", "cpu", *FGSM, "--seed", "2", check=False,
              DEEPBAYES_RESULTS=str(results))  # fmt: skip
    assert done.returncode == 2
    assert "TensorFlow sees no GPU" in done.stderr
    assert "docker compose run cpu" in done.stderr


def test_the_gpu_services_container_requests_every_gpu(cpu, results, tmp_path):
    """Of the service as it stands, on the cpu image: gpu.sh builds the real one."""
    override = tmp_path / "override.yml"
    override.write_text(f"services: {{gpu: {{image: '{cpu}'}}}}")
    files = ["-f", ROOT / "docker-compose.yml", "-f", override]
    sh(*COMPOSE, *files, "create", "--no-build", "gpu", DEEPBAYES_RESULTS=str(results))
    container = sh(*COMPOSE, *files, "ps", "--all", "--quiet", "gpu").stdout.strip()
    (request,) = inspect(container)["HostConfig"]["DeviceRequests"]
    assert (request["Driver"], request["Count"], request["Capabilities"]) == ("nvidia", -1, [["gpu"]])
