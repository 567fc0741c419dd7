"""The help of the commands: sections, width, and examples that run; errors about words that are no command."""

import re
import shlex
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.command import invoke

from meaniou.cli import main
from meaniou.cli.commands import demo
from meaniou.cli.options import naming_options

COMMANDS = ["", *main.commands]
SECTIONS = ["Classes", "Rules", "Input", "Labels", "Boundaries", "Output", "Uncertainty", "Pictures", "Other"]


def help_of(command: str, columns: int = 80) -> str:
    width = min(columns, 80) - 2  # as click computes it for a terminal; a CliRunner alone has 80
    ran = CliRunner().invoke(main, [*command.split(), "--help"], terminal_width=width)
    assert ran.exit_code == 0
    return ran.output


def section_of(text: str, title: str) -> str:
    """The lines of a section of a help text."""
    match = re.search(rf"^{title}:\n((?:  .*\n|\n)+)", text, re.M)
    return match[1] if match else ""


def examples_of(command: str) -> list[list[str]]:
    """The words of each example command in a help text."""
    lines = section_of(help_of(command), "Examples").replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip() and not line.strip().startswith("#")]


def titles(text: str) -> list[str]:
    return re.findall(r"^([A-Z]\w+):$", text, re.M)


@pytest.mark.parametrize("command", main.commands)
def test_every_option_is_in_one_section(command: str) -> None:
    text = help_of(command)
    options = [o for o in main.commands[command].params if isinstance(o, click.Option)]
    for option in ["--help", *(option.opts[0] for option in options)]:
        places = [t for t in titles(text) if re.search(rf"^  (-h, )?{option}\b", section_of(text, t), re.M)]
        assert len(places) == 1, (option, places)
        assert (places == ["Other"]) == (option in ("--debug", "--help") and len(options) > 1), option


def test_sections_have_an_order() -> None:
    assert titles(help_of("score")) == [*SECTIONS, "Examples"]
    for command in ("compare", "merge"):
        assert {*titles(help_of(command))} < {*SECTIONS, "Examples"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("columns", [78, 80, 200])
def test_help_fits_80_columns_and_has_no_control_characters(command: str, columns: int) -> None:
    text = help_of(command, columns)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert not re.search(r"--\w[\w-]*-$", text, re.M)  # no option is broken at a hyphen
    assert "..." not in section_of(text, "Commands")  # no sentence is cut off


def test_the_first_lines_show_how_to_score_two_folders() -> None:
    first = help_of("").splitlines()[:10]
    assert any(re.fullmatch(r" +meaniou PRED TARGET --num-classes 21 --ignore-index 255", line) for line in first)


def test_without_arguments_the_help_is_shown_once() -> None:
    ran = invoke()
    assert ran.exit_code == 2
    assert ran.output.count("Usage:") == 1
    assert invoke("-h").output == invoke("--help").output
    assert invoke("score", "-h").output == invoke("score", "--help").output


def draw_inputs(folder: Path, parts: bool) -> None:
    """The folders that examples name: the demo's, two models or two parts of a dataset, and a mask of Cityscapes."""
    pred, target = demo.write(folder / "sample", 2)
    if parts:
        for source in (pred, target):
            for i, path in enumerate(sorted(source.iterdir()), 1):
                (folder / source.name / str(i)).mkdir(parents=True)
                shutil.copy(path, folder / source.name / str(i))
    else:
        for name, source in {"model_a": pred, "model_b": pred, "target": target}.items():
            shutil.copytree(source, folder / name)
    ids = Image.fromarray(np.array([[7, 11], [0, 26]], np.uint8))
    for path in ("results/bonn_000000_000000.png", "gtFine/val/bonn/bonn_000000_000000_gtFine_labelIds.png"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        ids.save(folder / path)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_inputs(tmp_path, parts=command == "merge")
    monkeypatch.chdir(tmp_path)
    examples = examples_of(command)
    assert len(examples) >= 2
    for program, *words in examples:
        assert program == "meaniou"
        ran = invoke(*words)
        assert ran.exit_code == 0, (words, ran.output)


def test_a_number_that_is_none() -> None:
    ran = invoke("a", "b", "--num-classes", "x")
    assert ran.exit_code == 2
    assert "'--num-classes': 'x' is not a valid integer." in ran.stderr


def test_a_misspelt_command_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word, command in (("comapre", "compare"), ("protocol", "protocols")):
        ran = invoke(word, "a", "b")
        assert ran.exit_code == 2
        assert f"Did you mean '{command}'?" in ran.stderr
    (tmp_path / "protocol").mkdir()  # a folder of that name is one
    assert "Did you mean" not in invoke("protocol", "a", "--num-classes", 2).stderr


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("ignore_index holds 9; leave it out", "--ignore-index holds 9; leave it out"),
        ("7 pixels, and void_preds='error'", "7 pixels, and --void-preds error"),
        ("take void_preds='miss' or 'drop'.", "take --void-preds miss or drop."),
        ("set num_classes=3", "set --num-classes 3"),
        ("protocol is 'x'; expected a protocol", "--protocol is 'x'; expected a protocol"),
        ("the protocol has ids", "the protocol has ids"),
        ("the two differ in absent: 'skip' and 'zero'", "the two differ in --absent: 'skip' and 'zero'"),
        ("The group 'x' holds 'num_classes'.", "The group 'x' holds 'num_classes'."),
        (
            "The group 'x' holds 'pred_void=3'; leave pred_void out",
            "The group 'x' holds 'pred_void=3'; leave --pred-void out",
        ),
        ('The group "it\'s" holds "a class_names b".', 'The group "it\'s" holds "a class_names b".'),
    ],
)
def test_errors_of_the_library_name_options(message: str, shown: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(shown)}$"), naming_options():
        raise ValueError(message)
