"""A study's file: what it asks for, and that anything wrong in it is named with its line."""

from __future__ import annotations

import pytest

from prune_lab.experiments.records import StudyError
from prune_lab.experiments.study import load

GOOD = """\
# a comment
trial = "MODULE:power"
seeds = [
    0,
    1,
]

[settings]
exponent = 3
name = "plain"

[grid]
base = [
    1.5,  # a comment
    2,
]
"""


def test_the_trials_are_the_product_of_the_grid_each_with_every_seed(write) -> None:
    study = load(write(GOOD))
    assert [(t.settings["base"], t.seed) for t in study.trials] == [
        (1.5, 0),
        (1.5, 1),
        (2, 0),
        (2, 1),
    ]
    assert all(
        t.settings == {"base": t.settings["base"], "exponent": 3, "name": "plain", "flag": False}
        for t in study.trials
    )
    assert len({trial.key for trial in study.trials}) == 4
    assert study.records.name == "study.jsonl"


def test_all_forms_of_toml_will_do_and_settings_of_any_name_where_the_trial_takes_them(write):
    study = load(
        write('seeds=[3]\ntrial="MODULE:any_setting"\nsettings={a.b=1,"c d"=[1]}\ngrid.x=[{y=1}]')
    )
    (trial,) = study.trials
    assert trial.settings == {"a": {"b": 1}, "c d": [1], "x": {"y": 1}}


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("seeds = [", "sedes = [", 3, "unknown key 'sedes'; is it 'seeds'?"),
        ("[settings]", "[setting]", 8, "unknown key 'setting'; is it 'settings'?"),
        ("exponent = 3", "exponnet = 3", 9, "unknown setting 'exponnet'; is it 'exponent'?"),
        ("exponent = 3", "exponent = 3.5", 9, "must be a whole number, but got 3.5"),
        ("exponent = 3", "exponent = true", 9, "must be a whole number, but got True"),
        ("exponent = 3", "exponent = 2026-11-29", 9, "cannot be written as JSON"),
        ('"plain"', "3", 10, "must be text in quotes, but got 3"),
        ("exponent = 3", "exponent = 3\nflag = 1", 10, "must be true or false, but got 1"),
        ("exponent = 3", "exponent = 3\nseed = 1", 10, "seeds have a list of their own"),
        ("exponent = 3", "exponent = 3\nbase = 1.0", 14, "stands in [settings] as well"),
        ("    1,", "    -1,", 3, "a seed is a whole number from 0 to 2**32 - 1, but got -1"),
        ("    1,", "    1.0,", 3, "but got 1.0"),
        ("    1,", "    true,", 3, "but got True"),
        ("    1,", "    4294967296,", 3, "but got 4294967296"),
        ("    1,", "    0,", 3, "0 stands in it twice"),
        ("seeds = [\n    0,\n    1,\n]", "seeds = []", 3, "must be a list of whole numbers"),
        ("seeds = [\n    0,\n    1,\n]", "seeds = 5", 3, "must be a list of whole numbers"),
        ("    2,", "    -2,", 13, "base must be 0 or more, but got -2"),
        ("    2,", "    nan,", 13, "cannot be written as JSON"),
        ("    2,", "    1.5,", 13, "1.5 stands in it twice"),
        ("    2,", "    '2',", 13, "must be a number, but got '2'"),
        ("base = [\n    1.5,  # a comment\n    2,\n]", "base = []", 13, "must be a list of values"),
        ("base = [\n    1.5,  # a comment\n    2,\n]", "base = 2", 13, "must be a list of values"),
        ("base = [\n    1.5,  # a comment\n    2,\n]", "", 2, "needs 'base'"),
        ("MODULE:power", "MODULE.power", 2, "must be package.module:function"),
        ("MODULE:power", "MODULE:pover", 2, "has no attribute 'pover'"),
        ("MODULE:power", "no_such_module:power", 2, "No module named 'no_such_module'"),
        ("MODULE:power", "MODULE:number", 2, "is no function of a seed"),
        ("MODULE:power", "MODULE:no_seed", 2, "is no function of a seed"),
        ('"MODULE:power"', "3", 2, "must be package.module:function, but is 3"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(write, old, new, line, says) -> None:
    assert old in GOOD
    path = write(GOOD.replace(old, new))
    with pytest.raises(StudyError) as raised:
        load(path)
    sentence = str(raised.value)
    assert sentence.startswith(f"{path}, line {line}, ") and says in sentence, sentence
    assert not (path.parent / "calls").exists()


def test_the_key_is_named(write) -> None:
    with pytest.raises(StudyError, match=r"line 9, settings\.exponnet: unknown"):
        load(write(GOOD.replace("exponent", "exponnet")))
    with pytest.raises(StudyError, match=r"line 1, grid\.base: base must be 0 or more"):
        load(write('grid.base=[-1.0]\ntrial="MODULE:power"\nseeds=[1]'))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trial = 'a:b'\nseeds = [1\n", "is not TOML, "),
        ("trial = 'a:b'\n\nseeds [1]\n", r"at line 3, .*: seeds \[1\]"),
        ("seeds = [1]\nseeds = [2]\n", "at line 2, "),
        ("seeds = [1]\n", "the key 'trial' is missing"),
        ("trial = 'MODULE:power'\n", "the key 'seeds' is missing"),
        ("", "the key 'trial' is missing"),
    ],
)
def test_a_file_that_is_not_toml_or_lacks_a_key(write, text, says) -> None:
    with pytest.raises(StudyError, match=says):
        load(write(text))


def test_a_file_that_cannot_be_read(folder) -> None:
    (folder / "folder.toml").mkdir()
    (folder / "latin.toml").write_bytes(b"trial = '\xe9'")
    for name, says in (
        ("none.toml", "cannot be read"),
        ("folder.toml", "cannot be read"),
        ("study.jsonl", "a study is a file that ends in .toml"),
        ("latin.toml", "UTF-8"),
    ):
        with pytest.raises(StudyError, match=says):
            load(folder / name)


def test_a_file_of_an_editor_that_marks_its_beginning_and_ends_lines_twice(write) -> None:
    path = write(GOOD)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(load(path).trials) == 4
    path.write_bytes(path.read_bytes().replace(b"exponent", b"exponnet"))
    with pytest.raises(StudyError, match=r"line 9, settings\.exponnet"):
        load(path)


def test_a_module_of_another_folder_is_not_taken_for_the_one_beside_the_study(
    write, folder
) -> None:
    load(write(GOOD))
    other = folder / "other"
    other.mkdir()
    module = next(folder.glob("trials_*.py"))
    (other / module.name).write_text(module.read_text())
    path = other / "study.toml"
    path.write_text((folder / "study.toml").read_text())
    with pytest.raises(StudyError, match=r"line 2, trial: .* is another module here"):
        load(path)
