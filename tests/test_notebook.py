"""The tutorial's notebook runs from its first cell to its last.

Its cells are run here in one namespace, as a kernel would: they hold plain Python, and Jupyter would bring some fifteen
packages to say the same.
"""

import json

import matplotlib
import pytest

from helpers import ROOT

NOTEBOOK = ROOT / "docs" / "tutorial" / "first_attack.ipynb"


@pytest.fixture(scope="module")
def cells():
    if not NOTEBOOK.exists():
        pytest.skip("the documentation is not part of this copy")
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    return notebook["cells"]


def test_it_is_stored_without_outputs(cells):
    """Outputs of another version would contradict the code."""
    assert {cell["cell_type"] for cell in cells} == {"markdown", "code"}
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if "outputs" in cell)


@pytest.mark.slow
def test_every_cell_runs_and_the_longer_attack_is_no_weaker(cells, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    space = {"__name__": "__main__"}
    for cell in (c for c in cells if c["cell_type"] == "code"):
        exec(compile("".join(cell["source"]), f"cell {cell['id']}", "exec"), space)
    matplotlib.pyplot.close("all")
    assert space["longer"].accuracy.count <= space["fresh"].accuracy.count
    assert space["known"].accuracy.count <= space["fresh"].accuracy.count
    assert "successes are confirmed by 20 new draws" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
