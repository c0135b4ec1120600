"""Tables from made-up results: which stand together, under which file name, and what captions say."""

from experiments.intervals import rate
from experiments.reporting import report
from experiments.reporting.report import groups
from experiments.results import ResultsStore

N = 4


def result(victim="DFX", attack="fgsm", eps=0.1, samples=10, weights="a" * 64, right=2, **settings) -> dict:
    """What an attack stores, or `clean`, without the arrays."""
    s = {
        "attack": attack, "victim": victim, "dataset": "mnist", "num_images": N, "seed": 0, "targeted": False,
        "protocol": {"name": "corrected"}, "weights_sha256": weights,
    }  # fmt: skip
    s |= {"samples": samples} if samples else {}
    s |= {"eps": eps, "options": {}} if attack != "clean" else {}
    share = rate(right, N)
    content = {"n": N, "accuracy": share, "labels": [0] * N, "predictions": [0] * right + [1] * (N - right)}
    content |= {"bound": None, "success_right_before": share, "unmoved": share, "fresh_draws": None, "seconds": {}}
    return {"settings": s | settings} | content


def attacked(victim="DFX", attack="fgsm", **settings) -> list[dict]:
    """The clean result of a victim, and one of an attack."""
    own = {k: v for k, v in settings.items() if k in ("samples", "weights")}
    return [result(victim, "clean", **own), result(victim, attack, **settings)]


def held(found) -> list[tuple]:
    return [(g.attack, g.samples, list(g.victims)) for g in found]


# ---- victims without samples -----------------------------------------------------------------------------------------


def test_an_attack_on_a_model_without_samples_is_shown_where_the_classifiers_have_another():
    mine = attacked("mine", "pgd", samples=None)
    assert held(groups(mine)) == [("pgd", None, ["mine"])]
    assert held(groups(attacked("DFX") + mine)) == [("fgsm", 10, ["DFX"]), ("pgd", None, ["mine"])]
    assert held(groups(attacked("DFX") + mine[:1])) == [("fgsm", 10, ["DFX"])]
    assert held(groups([result("DFX", "clean"), *mine[:1]])) == [("clean", 10, ["DFX", "mine"])]


def test_the_worst_case_of_a_model_without_samples_has_a_file_of_its_own(tmp_path):
    options = {"steps": 3}
    results = attacked("DFX") + attacked("DFX", "pgd")
    results += attacked("mine", samples=None, options=options) + attacked("mine", "pgd", samples=None, options=options)
    report.show(ResultsStore(tmp_path), results)
    files = {f.stem: f.read_text() for f in tmp_path.glob("mnist/worst_case_*.md")}
    assert files.keys() == {"worst_case_corrected_n4", "worst_case_mine_corrected_n4"}
    assert "| DFX |" in files["worst_case_corrected_n4"]
