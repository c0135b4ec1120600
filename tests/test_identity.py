"""What identifies a run must not move: every committed result is found by the hash of its settings."""

import json

import pytest

from deepbayes.experiments.store.results import ResultsStore
from helpers import ROOT

REFERENCE = ROOT / "results" / "reference"
FILES = sorted(REFERENCE.glob("*/*/*.json"))


def test_the_committed_results_are_all_here():
    assert len(FILES) == 443


@pytest.mark.parametrize("victim", sorted({f.parent.name for f in FILES}))
def test_every_committed_result_is_where_its_settings_say(victim):
    store = ResultsStore(REFERENCE)
    for file in (f for f in FILES if f.parent.name == victim):
        settings = json.loads(file.read_text())["settings"]
        assert store.file(settings) == file
        assert store.read(settings)["settings"] == settings
