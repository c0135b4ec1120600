#!/usr/bin/env bash
# The front door: finds or makes a Python with the pinned requirements, then runs `python -m deepbayes "$@"`.
# A Python that has them already (an active environment, a container) is used as it is; else .venv is made, once.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
requirements=requirements.txt
[[ ${1:-} == test ]] && requirements="requirements-dev.txt"

supported='import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
meets='
import re, sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

def pins(file):
    for line in Path(file).read_text().splitlines():
        if line.startswith("-r "):
            yield from pins(Path(file).with_name(line[3:].strip()))
        elif match := re.match(r"([\w.-]+)(?:\[.*\])?==([\w.]+)", line):
            yield match.groups()
try:
    sys.exit(any(version(name) != pin for name, pin in pins(sys.argv[1])))
except PackageNotFoundError:
    sys.exit(1)
'

prints_text_only() { # help or the version: no package is needed. `test` hands its arguments on to pytest
    [[ ${1:-} == test ]] && return 1
    [[ $# -eq 0 || $1 == --version ]] && return
    local argument
    for argument in "$@"; do
        [[ $argument == -h || $argument == --help ]] && return
    done
    return 1
}

pick_python() { # the first supported interpreter, as "python"
    local candidate
    for candidate in python python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && "$candidate" -c "$supported" 2>/dev/null; then
            python=$candidate
            return
        fi
    done
    echo "error: Python 3.11, 3.12 or 3.13 is needed and was not found on PATH" >&2
    exit 2
}

has_requirements() { # whether this interpreter has them all
    [[ -x $(command -v "$1") ]] && "$1" -c "$meets" "$root/$requirements" 2>/dev/null
}

refuse_mistakes() { # an unknown command or option ends here, before anything is installed: reading needs no package
    DEEPBAYES_PARSE_ONLY=1 PYTHONPATH=$root "$python" -P -B -m deepbayes "$@"
}

use_environment() { # .venv, made where it is missing or lacks something; two at once make it one after the other
    local own=$root/.venv/bin/python
    if ! has_requirements "$own"; then
        refuse_mistakes "$@"
        if [[ ! -w $root ]]; then
            echo "error: $("$python" --version) lacks $requirements, and .venv cannot be made: $root is not writable" >&2
            echo "  pip install -r $root/$requirements     or, with Docker, for the tests: docker compose run test" >&2
            exit 2
        fi
        mkdir -p "$root/.venv"
        exec 9>"$root/.venv/.lock"
        if command -v flock >/dev/null; then flock 9; fi
        if ! has_requirements "$own"; then
            echo "making .venv with $("$python" --version)" >&2
            "$python" -m venv "$root/.venv"
            echo "installing $requirements into .venv (about 3 GB on disk; a minute or a few)" >&2
            "$own" -m pip install --quiet --disable-pip-version-check -r "$root/$requirements"
        fi
        exec 9>&-
    fi
    python=$own
}

pick_python
if ! prints_text_only "$@"; then
    has_requirements "$python" || use_environment "$@"
fi
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "$python" -P -m deepbayes "$@" # -P: nothing in the working directory takes a module's place
