"""The command line on images: scores of each, intervals, comparisons, and shards that are merged."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.command import invoke

from meaniou import MeanIoU, compare
from meaniou.scores import id_of

NAMES = [f"scene_{i}" for i in range(6)]


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Truth, and two predictions of which the first is the better one."""
    rng = np.random.default_rng(5)
    paths = {name: tmp_path / name for name in ("target", "good", "bad")}
    for folder in paths.values():
        (folder / "city").mkdir(parents=True)
    for name in NAMES:
        target = rng.choice([0, 1, 2, 255], size=(9, 11)).astype(np.uint8)
        for kind, right in (("target", 1.0), ("good", 0.9), ("bad", 0.5)):
            labels = np.where(rng.random(target.shape) < right, target, rng.integers(0, 3, size=target.shape))
            np.save(paths[kind] / "city" / f"{name}.npy", labels.astype(np.uint8))
    return paths


SETTINGS = ["--num-classes", 3, "--ignore-index", 255]


def counted(folders: dict[str, Path], kind: str) -> MeanIoU:
    metric = MeanIoU(3, ignore_index=255, per_image=True, input_format="index")
    for name in NAMES:
        maps = [torch.from_numpy(np.load(folders[k] / "city" / f"{name}.npy")) for k in (kind, "target")]
        metric.update(maps[:1], maps[1:], image_ids=[id_of(f"city/{name}")])
    return metric


def test_scores_of_each_image(folders: dict[str, Path], tmp_path: Path) -> None:
    ran = invoke(
        folders["good"], folders["target"], *SETTINGS, "--image-scores", tmp_path / "each.csv", "--list-worst", 2
    )
    assert ran.exit_code == 0, ran.output
    rows = list(csv.DictReader((tmp_path / "each.csv").read_text().splitlines()))
    table = counted(folders, "good").image_scores()
    assert sorted(row["image"] for row in rows) == [f"city/{name}" for name in NAMES]
    assert [float(row["mean_iou"]) for row in rows] == list(table.mean_iou)
    lines = ran.stdout.split("\n\n")[-1].splitlines()
    assert lines[0].split() == ["image", "worst", "classes", "mIoU"]
    assert [line.split()[0] for line in lines[2:]] == [row["image"] for row in rows[:2]]


def test_intervals(folders: dict[str, Path]) -> None:
    ran = invoke(folders["good"], folders["target"], *SETTINGS, "--ci", "--format", "json")
    report = json.loads(ran.stdout)
    expected = counted(folders, "good").report(bootstrap=True).to_dict()
    worst = [name for name, _ in report["images"].pop("worst")]
    assert [id_of(name) for name in worst] == [i for i, _ in expected["images"].pop("worst")]
    assert report == expected
    assert report["intervals"]["mean_iou"]["low"] < report["mean_iou"] < report["intervals"]["mean_iou"]["high"]
    plain = json.loads(invoke(folders["good"], folders["target"], *SETTINGS, "--format", "json").stdout)
    assert plain["classes"] == report["classes"]
    assert plain["images"] is None
    assert "95 % interval" in invoke(folders["good"], folders["target"], *SETTINGS, "--ci").stdout


def test_a_comparison(folders: dict[str, Path]) -> None:
    ran = invoke("compare", folders["good"], folders["bad"], folders["target"], *SETTINGS, "--seed", 3)
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["a", "b", "difference", "95", "%", "interval", "p-value"]
    comparison = compare(*(counted(folders, kind) for kind in ("good", "bad")), seed=3)
    mean = lines[-3].split()
    assert mean[:2] == ["mean", "IoU"]
    ends = [f"{100 * v:.2f}" for v in (comparison.low, comparison.high)]
    assert mean[4:8] == [f"{100 * comparison.value:.2f}", ends[0], "to", ends[1]]
    numbers = [f"a {mean[2]}", f"b {mean[3]}", f"difference {mean[4]}"]
    for part in (*numbers, f"95 % interval {' to '.join(ends)}", "1,000"):
        assert part in lines[-1]


def test_the_headline_of_a_comparison_names_the_folders_of_a_and_b(folders: dict[str, Path]) -> None:
    for a, b, better in (("good", "bad", "a"), ("bad", "good", "b"), ("bad", "bad", None)):
        words = ["compare", folders[a], folders[b], folders["target"], *SETTINGS]
        last = invoke(*words).stdout.splitlines()[-1]
        report = json.loads(invoke(*words, "--format", "json").stdout)
        assert report["sources"] == {"a": str(folders[a]), "b": str(folders[b])}
        assert report["mean_iou"]["difference"]["better"] == better
        names = {name: f"{name} ({source})" for name, source in report["sources"].items()}
        if better:
            assert f"{names[better]} is better than {names['ab'.replace(better, '')]};" in last
        else:
            assert "better" not in last
            assert f"{names['a']} and {names['b']} do not differ clearly;" in last
        assert not {"first", "second"} & {*last.replace("(", " ").split()}


def test_a_warning_of_one_side_of_a_comparison_names_it(folders: dict[str, Path], tmp_path: Path) -> None:
    """The predictions of ``b`` are one too high, as if 0 were void."""
    for path in sorted((folders["target"] / "city").iterdir()):
        target = np.load(path).repeat(10, 0)
        for kind, labels in (("target", target), ("right", target), ("shifted", np.where(target < 2, target + 1, 0))):
            (tmp_path / f"large/{kind}").mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / f"large/{kind}/{path.name}", labels.astype(np.uint8))
    right, shifted, target = (tmp_path / f"large/{kind}" for kind in ("right", "shifted", "target"))
    for a, b, name in ((right, shifted, "b"), (shifted, right, "a")):
        ran = invoke("compare", a, b, target, *SETTINGS)
        assert ran.exit_code == 0
        (warning,) = ran.stderr.splitlines()
        assert warning.startswith(f"Warning: {name}: ")
        assert "one lower" in warning
    (warning,) = invoke("compare", shifted, shifted, target, *SETTINGS).stderr.splitlines()
    assert warning.startswith("Warning: The predictions")


def test_shards_are_merged(folders: dict[str, Path], tmp_path: Path) -> None:
    whole = invoke(folders["bad"], folders["target"], *SETTINGS, "--ci", "--format", "json").stdout
    for shard, names in enumerate((NAMES[:2], NAMES[2:])):
        for kind in ("bad", "target"):
            (tmp_path / f"{kind}{shard}/city").mkdir(parents=True)
            for name in names:
                shutil.copy(folders[kind] / f"city/{name}.npy", tmp_path / f"{kind}{shard}/city")
        words = [tmp_path / f"bad{shard}", tmp_path / f"target{shard}", *SETTINGS, "--save", tmp_path / f"{shard}.pt"]
        assert invoke(*words).exit_code == 0
    words = ["merge", tmp_path / "0.pt", tmp_path / "1.pt", "--ci", "--format", "json", "--save", tmp_path / "sum.pt"]
    merged = invoke(*words)
    assert merged.exit_code == 0, merged.output
    assert merged.stdout == whole
    assert invoke("merge", tmp_path / "sum.pt", "--ci", "--format", "json").stdout == merged.stdout
    output = tmp_path / "report.csv"
    assert invoke("merge", tmp_path / "sum.pt", "--output", output, "--class-group", "a=0,1").exit_code == 0
    assert output.read_text().startswith("kind,name,iou")
    twice = invoke("merge", tmp_path / "0.pt", tmp_path / "0.pt")
    assert twice.exit_code == 0
    assert "2 images were counted more than once" in twice.stderr
    assert "saved file" in twice.stderr
    assert "valid=False" not in twice.stderr


def test_names_of_images_are_saved(folders: dict[str, Path], tmp_path: Path) -> None:
    options = ["--list-worst", 2, "--image-scores"]
    words = [folders["bad"], folders["target"], *SETTINGS, *options, tmp_path / "1.csv", "--save", tmp_path / "bad.pt"]
    scored = invoke(*words)
    merged = invoke("merge", tmp_path / "bad.pt", *options, tmp_path / "2.csv")
    assert merged.exit_code == 0, merged.output
    assert merged.stdout == scored.stdout
    assert (tmp_path / "2.csv").read_text() == (tmp_path / "1.csv").read_text()
    assert sorted(MeanIoU.load(tmp_path / "bad.pt").image_scores().images) == [f"city/{name}" for name in NAMES]


def test_a_comparison_of_saved_files(folders: dict[str, Path], tmp_path: Path) -> None:
    files = [tmp_path / "good.pt", tmp_path / "bad.pt"]
    for file in files:
        assert invoke(folders[file.stem], folders["target"], *SETTINGS, "--save", file).exit_code == 0
    ran = invoke("compare", *files, "--format", "csv")
    assert ran.exit_code == 0, ran.output
    of_folders = ["compare", folders["good"], folders["bad"], folders["target"], *SETTINGS]
    assert ran.stdout == invoke(*of_folders, "--format", "csv").stdout
    rows = list(csv.DictReader(ran.stdout.splitlines()))
    assert all(None not in row and None not in row.values() for row in rows)  # as many fields as columns
    comparison = compare(*(counted(folders, kind) for kind in ("good", "bad")))
    assert [row["kind"] for row in rows] == ["class"] * 3 + ["accuracy", "mean"]
    assert float(rows[-1]["difference"]) == comparison.value
    assert float(rows[-1]["p_value"]) == comparison.p_value
    assert (rows[-1]["better"], float(rows[-1]["confidence"])) == (comparison.better, 0.95)
    report = json.loads(invoke(*of_folders, "--format", "json").stdout)
    assert [report["mean_iou"][name] for name in "ab"] == [float(rows[-1][name]) for name in "ab"]
    assert report["mean_iou"]["difference"] == vars(comparison)
    output = tmp_path / "table.md"
    (line,) = invoke(*of_folders, "--output", output).stdout.splitlines()
    assert f"a ({folders['good']}) is better than b ({folders['bad']})" in line
    assert output.read_text().startswith("|  | a | b | difference | 95 % interval | p-value |")
    of_files = json.loads(invoke("compare", *files, "--format", "json").stdout)
    assert of_files == {**report, "sources": {"a": str(files[0]), "b": str(files[1])}}
    for words, part in (
        ((*files, *SETTINGS), "--num-classes"),
        ((*files, "--jobs", 2), "--jobs"),
        ((*files, "--pred-suffix", ""), "--pred-suffix"),
        ((folders["good"], folders["bad"]), "TARGET"),
        ((files[0], folders["bad"], folders["target"]), "good.pt is a file. Pass two folders"),
        ((*files, folders["target"]), f"Leave {folders['target']} out"),
    ):
        refused = invoke("compare", *words)
        assert refused.exit_code == 2
        assert part in refused.stderr
    for words in (files, ("score", *files)):
        assert f"meaniou compare {files[0]} {files[1]}" in invoke(*words).stderr
    refused = invoke(folders["good"], folders["bad"], folders["target"], *SETTINGS)
    assert refused.exit_code == 2
    assert "meaniou compare PRED_A PRED_B TARGET" in refused.stderr


def test_models_whose_names_end_differently_are_compared_by_saved_files(tmp_path: Path) -> None:
    for path in ("a/0_a.npy", "b/0_b.npy", "target/0.npy"):
        (tmp_path / path).parent.mkdir()
        np.save(tmp_path / path, np.array([[0, 1]], np.uint8))
    ran = invoke("compare", tmp_path / "a", tmp_path / "b", tmp_path / "target", *SETTINGS, "--pred-suffix", "_a.npy")
    assert ran.exit_code == 2
    for part in ("_a.npy", "(0_b.npy)", "--save", "meaniou compare a.pt b.pt"):
        assert part in ran.stderr


def test_groups_of_images(folders: dict[str, Path]) -> None:
    even = {id_of(f"city/{name}"): i % 2 == 0 for i, name in enumerate(NAMES)}
    pattern = "(?=.*[024]$)c|(?=.*[135]$)ci"  # finds "c" in the even names and "ci" in the others
    words = [folders["good"], folders["target"], *SETTINGS, "--ci", "--format", "json"]
    intervals = {}
    for clusters, groups in (("^.*$", None), (pattern, even)):
        ran = invoke(*words, "--clusters", clusters)
        assert ran.exit_code == 0, ran.output
        intervals[clusters] = json.loads(ran.stdout)["intervals"]["mean_iou"]
        assert intervals[clusters] == vars(counted(folders, "good").bootstrap(clusters=groups))
    assert intervals["^.*$"] != intervals[pattern]
    of_both = ["compare", folders["good"], folders["bad"], folders["target"], *SETTINGS, "--format", "json"]
    difference = json.loads(invoke(*of_both, "--clusters", pattern).stdout)["mean_iou"]["difference"]
    assert difference == vars(compare(*(counted(folders, kind) for kind in ("good", "bad")), clusters=even))
    for more, part in (
        (("--ci", "--clusters", "("), "regular expression"),
        (("--ci", "--clusters", "[024]$"), "city/scene_1"),
        (("--clusters", "x"), "--ci"),
    ):
        ran = invoke(folders["good"], folders["target"], *SETTINGS, *more)
        assert ran.exit_code == 2
        assert part in ran.stderr


def test_what_cannot_be_merged_or_compared(folders: dict[str, Path], tmp_path: Path) -> None:
    assert invoke(folders["bad"], folders["target"], *SETTINGS, "--save", tmp_path / "a.pt").exit_code == 0
    other = [folders["bad"], folders["target"], "--num-classes", 4, "--ignore-index", 255, "--save", tmp_path / "b.pt"]
    assert invoke(*other).exit_code == 0
    (tmp_path / "c.pt").write_text("no")
    (tmp_path / "names").write_text("a\nb\nc")
    with_names = ["--class-names", tmp_path / "names", "--save", tmp_path / "n.pt"]
    assert invoke(folders["bad"], folders["target"], *SETTINGS, *with_names).exit_code == 0
    zero = ["--absent", "zero", "--save", tmp_path / "z.pt"]
    assert invoke(folders["bad"], folders["target"], *SETTINGS, *zero).exit_code == 0
    for words, parts in (
        ((tmp_path / "a.pt", tmp_path / "b.pt"), ("b.pt", "--num-classes")),
        ((tmp_path / "a.pt", tmp_path / "n.pt"), ("n.pt", "--class-names")),
        ((tmp_path / "a.pt", tmp_path / "z.pt"), ("z.pt", "absent", "skip", "zero")),
        ((tmp_path / "a.pt", tmp_path / "c.pt"), ("c.pt",)),
        ((tmp_path / "a.pt", "--output", tmp_path / "x/../a.pt"), ("a.pt", "output")),
        ((tmp_path / "d.pt",), ("d.pt", "No such file or directory", "meaniou score --save")),
    ):
        ran = invoke("merge", *words)
        assert ran.exit_code == 2
        assert [part for part in parts if part not in ran.stderr] == []
        assert "Traceback" not in ran.stderr
    ran = invoke("compare", tmp_path / "a.pt", tmp_path / "b.pt")
    assert ran.exit_code == 2
    for part in ("a.pt (a)", "b.pt (b)", "--num-classes"):
        assert part in ran.stderr
    (folders["good"] / "city/scene_0.npy").unlink()
    ran = invoke("compare", folders["good"], folders["bad"], folders["target"], *SETTINGS)
    assert ran.exit_code == 2
    assert "scene_0" in ran.stderr


def test_an_output_that_cannot_be_written(folders: dict[str, Path], tmp_path: Path) -> None:
    for option in ("--image-scores", "--save", "--output"):
        ran = invoke(folders["good"], folders["target"], *SETTINGS, option, tmp_path / "no/such/file")
        assert ran.exit_code == 2, option
        assert "no/such/file" in ran.stderr
