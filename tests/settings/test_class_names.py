"""Class names in every accepted form."""

import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import assert_sentence

from meaniou import LabelSpace, MeanIoU
from meaniou.cli.commands import main
from meaniou.settings.class_names import read_class_names, resolve_class_names

FORMS = {
    "list": ["sky", " road ", "car\t"],
    "tuple": ("sky", "road", "car"),
    "ids": {2: "car", 0: "sky", 1: "road"},
    "ids as text": {"2": "car", "0": "sky", "1": "road"},
    "ids of both kinds": {"2": "car", 0: "sky", 1: "road"},
}
FILES = {
    "lines.txt": "sky\n road\r\ncar \n\n",
    "with a mark.txt": "\ufeffsky\nroad\ncar",
    "list.json": '["sky", "road", "car"]',
    "no ending": '["sky", "road", "car"]',
    "ids.json": '{"1": "road", "0": "sky", "2": "car"}',
    "config.JSON": '{"model": "x", "id2label": {"0": "sky", "1": "road", "2": "car"}, "label2id": {"sky": 0}}',
}


@pytest.mark.parametrize("names", FORMS.values(), ids=FORMS)
def test_names_in_python(names):
    assert resolve_class_names(names, 3) == ("sky", "road", "car")
    assert (
        MeanIoU(3, class_names=names).label_space.class_names
        == LabelSpace(3, class_names=names).class_names
        == ("sky", "road", "car")
    )


@pytest.mark.parametrize("name", FILES)
def test_names_in_a_file(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8", newline="")
    assert resolve_class_names(path, 3) == resolve_class_names(read_class_names(path), 3) == ("sky", "road", "car")
    assert MeanIoU(3, class_names=path).report().classes[1].name == "road"


def test_names_are_lines_and_nothing_else(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("\ufeffa\u2028b\r\nc \x0b d\n\n".encode())
    assert read_class_names(path) == ["a\u2028b", "c \x0b d"]


@pytest.mark.parametrize("text", ["a,b,c", "id,name\n0,a\n1,b", "0,a\n1,b\n", "id;name\n0;a", "0\ta\n1\tb"])
def test_tables_are_no_names(tmp_path, text):
    path = tmp_path / "names.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="names") as error:
        read_class_names(path)
    assert_sentence(error, "one name per line")


@pytest.mark.parametrize("text", ["road, paved\nroad, unpaved", "3 wheels\n4 wheels", "a,b\n1,c\nd", "7", "a;b"])
def test_names_with_commas_and_digits_are_names(tmp_path, text):
    path = tmp_path / "names.txt"
    path.write_text(text)
    assert read_class_names(path) == text.split("\n")


def test_void_is_no_class():
    for void in (255, "255", -1, "-1"):
        with pytest.raises(ValueError, match="0 to 2") as error:
            resolve_class_names({0: "a", 1: "b", 2: "c", void: "void"}, 3)
        assert_sentence(error, f"Remove {void}", f"ignore_index={void}")


def test_ten_names_stay_in_the_order_of_their_numbers():
    assert resolve_class_names({str(c): f"c{c}" for c in range(11)}, 11)[:3] == ("c0", "c1", "c2")


@pytest.mark.parametrize(
    ("names", "kind", "parts"),
    [
        ("sky", TypeError, ["class_names is the string 'sky'", "pathlib.Path"]),
        ({"0": "a", "1": "b", "x": "c"}, ValueError, ["class_names has 3 keys", "0 to 2"]),
        ({0: "a", "0": "b", 1: "c"}, ValueError, ["class_names has 3 keys"]),
        ({1: "a", 2: "b", 3: "c"}, ValueError, ["class_names has 3 keys"]),
        ([1, 2, 3], TypeError, ["class_names holds 1"]),
        (["a", "b"], ValueError, ["2 names", "expected 3"]),
        (["a", "b", "a "], ValueError, ["'a' more than once"]),
        (
            ["a", "b", "\ud800"],
            ValueError,
            [r"'\ud800'", "surrogate", "UTF-8"],
        ),
        ({0: "a", 1: "b", 2: "c\udcff"}, ValueError, [r"'\udcff' is half of a surrogate pair"]),
        (itertools.repeat("a"), ValueError, ["more than 4096 names", "expected 3"]),
        ([b"x" * 10**6, "b", "c"], TypeError, ["class_names holds b'xxx", "xxx..."]),
        (5, TypeError, ["class_names is 5"]),
    ],
    ids=str,
)
def test_names_that_are_off(names, kind, parts):
    with pytest.raises(kind) as error:
        resolve_class_names(names, 3)
    assert_sentence(error, *parts)


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("a.txt", "sky\n\ncar", ["Line 2 of", "is empty"]),
        ("a.txt", "sky\ncar\nsky ", ["Line 3 of", "'sky'"]),
        ("a.json", "{", ["a.json is not valid JSON"]),
        ("a.json", "[" * 100_000, ["a.json is not valid JSON"]),
        ("a.json", '{"0": "a", "0": "b"}', ["a.json is not valid JSON", "'0' occurs more than once"]),
        ("a.json", "[]", ["a.json holds no class names"]),
        ("a.json", "{}", ["a.json holds no class names"]),
        ("a.json", '{"a": {"b": 1}}', ["a.json holds no class names"]),
        ("a.json", "3", ["a.json holds no class names"]),
        ("a.json", "[1, 2]", ["a.json holds no class names"]),
        ("a.txt", "\n".join(map(str, range(4097))), ["a.txt holds 4,097 names", "4,096"]),
        ("a.txt", "x\n" * 10**6, ["a.txt holds 1,000,000 names"]),
        ("a.json", json.dumps(list(map(str, range(4097)))), ["a.json holds 4,097 names"]),
        ("a.json", "{" + ", ".join(f'"{i % 99_999}": "{i}"' for i in range(100_000)) + "}", ["'0' occurs more"]),
        ("a.json", "9" * 5000, ["a.json is not valid JSON"]),
    ],
)
def test_files_that_are_off(tmp_path, name, text, parts):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.") as error:
        read_class_names(path)
    assert_sentence(error, *parts)
    for folder in ("pred", "target"):
        (tmp_path / folder).mkdir()
    words = [tmp_path / "pred", tmp_path / "target", "--class-names", path]
    ran = CliRunner().invoke(main, [str(word) for word in words])
    assert ran.exit_code == 2
    assert parts[0] in ran.stderr


def test_the_command_takes_a_json_file(tmp_path):
    import numpy as np

    for folder in ("pred", "target"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", np.array([[0, 1, 2]]))
    names = tmp_path / "config.json"
    names.write_text(FILES["config.JSON"], encoding="utf-8")
    words = [tmp_path / "pred", tmp_path / "target", "--class-names", names, "--format", "json"]
    ran = CliRunner().invoke(main, [str(word) for word in words])
    assert [c["name"] for c in json.loads(ran.stdout)["classes"]] == ["sky", "road", "car"]


def test_a_file_of_names_that_never_ends_is_refused():
    with pytest.raises(ValueError, match="has more than") as error:
        read_class_names(Path("/dev/zero"))
    assert_sentence(error, "/dev/zero", "path")


def test_names_in_another_encoding_are_refused(tmp_path):
    (tmp_path / "a\x1b.txt").write_text("sky", encoding="utf-16")
    with pytest.raises(ValueError, match="UTF-8") as error:
        read_class_names(tmp_path / "a\x1b.txt")
    assert_sentence(error, r"a\x1b.txt is not UTF-8", "save the file as UTF-8")


def test_halves_of_characters_are_refused_in_every_name(tmp_path):
    with pytest.raises(ValueError, match="groups holds") as error:
        MeanIoU(2).report(class_groups={"\udcff": [0]})
    assert_sentence(error, "surrogate")
    (tmp_path / "names.json").write_text(r'["a", "\ud800"]')
    with pytest.raises(ValueError, match="surrogate"):
        MeanIoU(2, class_names=tmp_path / "names.json")
    (tmp_path / "names.json").write_text(r'["a", "\ud83d\ude97"]')  # both halves are one character
    assert MeanIoU(2, class_names=tmp_path / "names.json").label_space.class_names[1] == "\U0001f697"
