"""JSON files: every value survives, and what is in version control looks the same when it is written again."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import ROOT
from deepbayes.models.files import FileError, read_json, write_json

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text() | st.text('[]{}\n\t -,12"\\')  # the second: what looks like an array of numbers
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(st.integers(), min_size=1) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(TEXT, VALUES, max_size=3))
@example({"victim": "[ 1, 2 ]", "[\n 1\n]": ["[ -1 ]", "\n[", 1, "]\n"]})
def test_what_is_written_is_read_again(tmp_path, content):
    write_json(tmp_path / "content.json", content)
    assert read_json(tmp_path / "content.json") == content


def test_whole_numbers_stand_on_one_line_and_all_else_has_a_line_of_its_own(tmp_path):
    content = {"labels": [1, -2, 30], "rates": [0.5, 1], "rows": [[1, 2], [3]], "none": [], "names": ["[ 1, 2 ]", "b"]}
    write_json(tmp_path / "content.json", content)
    assert (tmp_path / "content.json").read_text().splitlines() == [
        "{",
        ' "labels": [1,-2,30],',
        ' "rates": [', "  0.5,", "  1", " ],",
        ' "rows": [', "  [1,2],", "  [3]", " ],",
        ' "none": [],',
        ' "names": [', '  "[ 1, 2 ]",', '  "b"', " ]",
        "}",
    ]  # fmt: skip


def test_the_committed_files_come_out_the_same_byte_for_byte(tmp_path):
    files = [f for folder in ("results/reference", "models/weights") for f in sorted((ROOT / folder).rglob("*.json"))]
    assert len(files) > 450
    for file in files:
        write_json(tmp_path / "again.json", read_json(file))
        assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("content", [{"a": object()}, {("a",): 1}])
def test_what_json_cannot_hold_leaves_the_earlier_file(tmp_path, content):
    file = tmp_path / "content.json"
    write_json(file, {"a": 1})
    with pytest.raises(TypeError):
        write_json(file, content)
    assert [f.name for f in tmp_path.iterdir()] == ["content.json"]
    assert json.loads(file.read_text()) == {"a": 1}


def test_what_is_no_json_object_is_named(tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    for name, wrong in (("list.json", "not a JSON object"), ("none.json", "does not exist")):
        with pytest.raises(FileError, match=wrong) as refused:
            read_json(tmp_path / name)
        assert name in str(refused.value)
