"""Saved metrics are restored; a file that is damaged, newer or malicious raises an error that names it."""

import contextlib
import io
import pickle
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from support import assert_sentence
from support.images import VOID, C, metric_of
from support.kinds import BANDS, CURVE, KINDS, LABELS, assert_equal, each_kind

from meaniou import MeanIoU


def scenes(rng, number=12):
    """Images of labels 0 .. C-1 and 255, one of them all void."""
    target = rng.choice([*range(C), VOID], size=(number, 6, 7))
    target[3] = VOID
    preds = np.where(rng.random(target.shape) < 0.7, target, rng.integers(0, C, size=target.shape))
    return torch.from_numpy(preds), torch.from_numpy(target)


def assert_same_rows(a, b):
    for x, y in zip(a._joined(), b._joined(), strict=True):
        assert torch.equal(x, y)
    assert torch.equal(a.counts, b.counts)


def test_save_and_load(rng, tmp_path):
    maps = scenes(rng)
    for settings in ({}, {"over": "class", "worst_percent": [5, 10], "present": "target"}, {"per_image": False}):
        metric = metric_of(maps, **settings) if settings.get("per_image", True) else MeanIoU(C, ignore_index=VOID)
        path = tmp_path / "metric.pt"
        metric.save(path)
        assert [file.name for file in tmp_path.iterdir()] == ["metric.pt"]
        other = MeanIoU.load(path)
        assert (other.label_space, other.policy, other.input_settings) == (
            metric.label_space,
            metric.policy,
            metric.input_settings,
        )
        assert other.update_count == metric.update_count
        assert torch.equal(other.counts, metric.counts)
        if metric.per_image:
            assert_same_rows(other, metric)
            assert other.compute() == metric.compute()
            other.merge_state(metric)
            assert len(other._joined()[0]) == 24


def test_save_and_load_under_a_protocol(tmp_path):
    x = torch.tensor([[[7, 8, 0]]])
    for settings in ({"protocol": "cityscapes"}, {"protocol": "cityscapes", "pred_ids": "classes", "absent": "zero"}):
        metric = MeanIoU(**settings, per_image=True)
        metric.update(x.clamp(max=7), x, image_ids=[3])
        metric.save(tmp_path / "a")
        other = MeanIoU.load(tmp_path / "a")
        assert str(other.report()) == str(metric.report())
        assert other.label_space == metric.label_space
        other.update(x.clamp(max=7), x, image_ids=[4])
        other.merge_state(metric)


def test_odd_numbers_and_names_are_saved_plainly(rng, tmp_path):
    for worst in (np.float64(5), Fraction(10, 3), np.array(20), (share for share in (5, 10.5))):
        metric = metric_of(scenes(rng), range(12), over="image", worst_percent=worst)
        metric.image_names = {np.int64(0): "a", 1: Path("b"), 2: np.str_("c")}
        metric.save(tmp_path / "a")
        other = MeanIoU.load(tmp_path / "a")
        assert other.policy == metric.policy
        assert other.policy.worst_percent
        assert other.compute() == metric.compute()
        assert other.image_names == {0: "a", 1: "b", 2: "c"}


def test_a_bit_that_is_wrong_is_noticed(rng, tmp_path):
    path, numbers = tmp_path / "x", np.random.default_rng(5)
    metric = metric_of(scenes(rng), range(12))
    metric.save(path)
    whole = bytearray(path.read_bytes())
    for place in numbers.integers(0, len(whole), 300).tolist():
        spoiled = whole.copy()
        spoiled[place] ^= 1 << int(numbers.integers(8))
        path.write_bytes(spoiled)
        with contextlib.suppress(ValueError):
            assert_same_rows(MeanIoU.load(path), metric)


def test_what_is_no_saved_metric(tmp_path):
    path = tmp_path / "x"
    for content in (b"", b"no", pickle.dumps({"a": 1})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="x holds no saved metric"):
            MeanIoU.load(path)
    torch.save({"format": "other"}, path)
    with pytest.raises(ValueError, match="x holds no saved metric"):
        MeanIoU.load(path)
    with pytest.raises(FileNotFoundError):
        MeanIoU.load(tmp_path / "none")


def test_loading_runs_no_code(tmp_path):
    class Bad:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save({"format": "meaniou metric 1", "space": Bad()}, tmp_path / "bad")
    with pytest.raises(ValueError, match="holds no saved metric"):
        MeanIoU.load(tmp_path / "bad")


def test_files_that_lack_a_part_or_hold_a_wrong_one(rng, tmp_path):
    metric = metric_of(scenes(rng), list(range(12)))
    metric.save(tmp_path / "good")
    good = torch.load(tmp_path / "good", weights_only=True)
    rows = good["image_rows"]
    wrong = {
        "lacks 'counts'": {name: value for name, value in good.items() if name != "counts"},
        "'counts' has the shape [3, 3]": good | {"counts": torch.zeros(3, 3, dtype=torch.int64)},
        "negative counts": good | {"counts": -good["counts"]},
        "'image_rows' holds negative counts": good | {"image_rows": -rows},
        "does not add up": good | {"image_rows": rows * 2},
        "'image_rows' and 'image_ids'": good | {"image_rows": rows[1:]},
        "holds no lists": good | {"image_rows": None},
        "no int64 tensor 'counts'": good | {"counts": good["counts"].double()},
        "lacks 'num_classes' in 'space'": good | {"space": {}},
        "num_classes is 0": good | {"space": good["space"] | {"num_classes": 0}},
        "lacks 'pred_void' in 'space'": good | {"space": {k: v for k, v in good["space"].items() if k != "pred_void"}},
        "image_names is [1]": good | {"image_names": [1]},
        "expected [N, 4, 4] and [N]": good | {"image_ids": rows},
    }
    for part, state in wrong.items():
        torch.save(state, tmp_path / "wrong")
        with pytest.raises(ValueError, match="wrong") as error:
            MeanIoU.load(tmp_path / "wrong")
        assert_sentence(error, part)


def parts_of(metric, tmp_path):
    metric.save(tmp_path / "good")
    return torch.load(tmp_path / "good", weights_only=True)


def refusal(parts, tmp_path):
    """The error for a file with such parts."""
    torch.save(parts, tmp_path / "file")
    with pytest.raises(ValueError, match="file") as error:
        MeanIoU.load(tmp_path / "file")
    assert_sentence(error)
    return str(error.value)


def test_a_file_of_another_version(rng, tmp_path):
    good = parts_of(metric_of(scenes(rng), range(12)), tmp_path)
    assert good["format"] == "meaniou metric 4"
    assert "format 5, and this version of meaniou reads format 4; update" in refusal(
        good | {"format": "meaniou metric 5", "more": 1}, tmp_path
    )
    for tag in ("meaniou metric 0", "meaniou metric", "meaniou metric x", "meaniou metric ²", "other 3", 3, None):
        assert "holds no saved metric" in refusal(good | {"format": tag}, tmp_path)
    first = {name: value for name, value in good.items() if name != "image_names"}
    assert "format 1, and this version of meaniou reads format 4; count again" in refusal(
        first | {"format": "meaniou metric 1"}, tmp_path
    )
    assert "lacks 'image_names'" in refusal(first, tmp_path)


@pytest.mark.parametrize("where", ["", "space", "policy", "input_settings"])
def test_a_file_holds_what_is_known_and_nothing_else(where, rng, tmp_path):
    good = parts_of(metric_of(scenes(rng), range(12)), tmp_path)
    part = good[where] if where else good
    names = [name for name in part if name != "format"]
    for name in names:
        less = {key: value for key, value in part.items() if key != name}
        said = refusal(good | {where: less} if where else less, tmp_path)
        assert f"lacks {name!r}{f' in {where!r}' if where else ''}, " in said
    more = part | {"later": 1}
    said = refusal(good | {where: more} if where else more, tmp_path)
    assert f"holds 'later'{f' in {where!r}' if where else ''}, which this version of meaniou does not know" in said
    if where:
        assert f" in {where!r}, " in refusal(good | {where: [1]}, tmp_path)


def test_a_protocol_that_is_not_known_is_not_dropped(tmp_path):
    metric = MeanIoU(protocol="cityscapes")
    metric.update(torch.tensor([[7]]), torch.tensor([[7]]))
    good = parts_of(metric, tmp_path)
    assert good["protocol"] == "cityscapes"
    for name in ("cityscapes-2030", 3, ["cityscapes"]):
        assert f"protocol {name!r}, which this version of meaniou does not know" in refusal(
            good | {"protocol": name}, tmp_path
        )


def test_rules_that_are_not_known_are_refused(rng, tmp_path):
    good = parts_of(metric_of(scenes(rng), range(12)), tmp_path)
    for name, value in (("absent", "half"), ("over", "video"), ("average", 3)):
        assert f"{name} is {value!r}" in refusal(good | {"policy": good["policy"] | {name: value}}, tmp_path)


@pytest.mark.parametrize(
    "settled",
    [
        {"ignore_index": 1},
        {"num_classes": 5},
        {"protocol": "cityscapes"},
        {"threshold": 0.1},
        {"input_format": "index"},
        {"validate_args": False},
        {"per_image": False},
        {"class_names": list("abcd")},
        {"pred_ids": "classes"},
    ],
    ids=lambda settled: next(iter(settled)),
)
def test_what_the_counts_settle_is_not_overridden(settled, rng, tmp_path):
    metric_of(scenes(rng), range(12)).save(tmp_path / "a")
    with pytest.raises(TypeError) as error:
        MeanIoU.load(tmp_path / "a", **settled)
    assert_sentence(error, next(iter(settled)), str(tmp_path / "a"), "Leave it out")


def test_what_changes_no_count_is_taken(rng, tmp_path):
    maps = scenes(rng)
    metric_of(maps, range(12)).save(tmp_path / "a")
    rules = {"average": "none", "absent": "zero", "include_background": False}
    metric = MeanIoU.load(tmp_path / "a", **rules, impl="portable", dist_sync_on_step=True)
    assert torch.equal(metric.compute().nan_to_num(-1), metric_of(maps, range(12), **rules).compute().nan_to_num(-1))
    assert metric.dist_sync_on_step
    assert MeanIoU.load(tmp_path / "a", over="image").compute() == metric_of(maps, range(12), over="image").compute()
    for wrong, words in (({"no_such_rule": 1}, "MeanIoU .*'no_such_rule'"), ({"average": "x"}, "^average is 'x'")):
        with pytest.raises(ValueError, match=words):
            MeanIoU.load(tmp_path / "a", **wrong)


def test_a_kernel_that_cannot_run_here_is_not_what_a_file_needs(rng, tmp_path, monkeypatch):
    metric_of(scenes(rng), range(12), impl="cpu").save(tmp_path / "a")
    for module in ("checkpoint", "counters.mean_iou"):
        reason = "impl='cpu' cannot run, since Numba cannot be used (gone); install the extra 'cpu'."
        monkeypatch.setattr(
            f"meaniou.metrics.{module}.why_not", lambda impl, reason=reason: reason if impl == "cpu" else ""
        )
    with pytest.raises(ValueError, match="cannot run") as error:
        MeanIoU.load(tmp_path / "a")
    assert_sentence(error, "install the extra 'cpu', or pass impl='auto' to load()")
    assert MeanIoU.load(tmp_path / "a", impl="auto").input_settings.impl == "auto"


def archive_again(content, compression=zipfile.ZIP_STORED, more=()):
    """The same archive, written again."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        for name, data in more:
            new.writestr(name, data)
    return file.getvalue()


def test_a_file_that_grows_in_memory_is_not_unpacked(rng, tmp_path, monkeypatch):
    metric = metric_of(scenes(rng), range(12))
    metric.save(tmp_path / "good")
    content = (tmp_path / "good").read_bytes()
    (tmp_path / "stored").write_bytes(archive_again(content))
    assert_same_rows(MeanIoU.load(tmp_path / "stored"), metric)
    bomb = archive_again(content, zipfile.ZIP_DEFLATED, [("archive/data/9", bytes(1 << 20))])
    (tmp_path / "bomb").write_bytes(bomb)
    overlapping = bytearray(archive_again(content, more=[("a", bytes(999)), ("b", bytes(999))]))
    directory = overlapping.rindex(b"PK\x01\x02")
    overlapping[directory + 20 : directory + 28] = (10**9).to_bytes(4, "little") * 2  # both sizes of the last member
    (tmp_path / "overlapping").write_bytes(overlapping)
    monkeypatch.setattr("zipfile.ZipFile.testzip", lambda self: pytest.fail("it was unpacked"))
    monkeypatch.setattr("torch.load", lambda *args, **kwargs: pytest.fail("it was unpacked"))
    for name in ("bomb", "overlapping"):
        with pytest.raises(ValueError, match="holds no saved metric") as error:
            MeanIoU.load(tmp_path / name)
        assert_sentence(error)


def test_a_tensor_that_is_larger_than_its_file_is_refused(rng, tmp_path):
    """A stride of 0 makes a large tensor of a few bytes."""
    good = parts_of(metric_of(scenes(rng), range(12)), tmp_path)
    rows, ids = good["image_rows"], good["image_ids"]
    for parts in (
        good | {"image_rows": rows[:1].expand(1 << 20, -1, -1), "image_ids": ids[:1].expand(1 << 20)},
        good | {"counts": torch.zeros(1, dtype=torch.int64).expand(1 << 12, 1 << 12)},
    ):
        assert "holds a tensor [" in refusal(parts, tmp_path)
    with pytest.raises(IsADirectoryError):
        MeanIoU.load(tmp_path)


# --------------------------------------------------------------------------------------------- labels that overlap

NAMES = ["a", "b", "c"]
OF_KINDS = {
    "labels": (LABELS, {}),
    "threshold of each label": (
        LABELS,
        {"threshold": [0.25, 0.5, 0.75], "inclusive": True, "class_names": NAMES},
    ),
    "rules": (LABELS, {"void_preds": "drop", "present": "target", "absent": "one", "classes": [0, 2]}),
    "no checks": (LABELS, {"validate_args": False, "ignore_index": [255, -1], "impl": "portable"}),
    "rows": (LABELS, {"per_image": True}),
    "over images": (LABELS, {"over": "class", "worst_percent": [5, 10]}),
    "curve": (CURVE, {}),
    "many thresholds": (
        CURVE,
        {"thresholds": 101, "inclusive": True, "average": "weighted", "class_names": NAMES},
    ),
    "one label": (CURVE, {"num_labels": 1, "thresholds": [-1.5, 0.0, 1e-7]}),
    "bands": (BANDS, {"void": "literal", "edge": False, "class_names": NAMES}),
    "share of the diagonal": (BANDS, {"width": 0.1, "per_image": True, "void_preds": "drop", "over": "image"}),
    "several widths": (BANDS, {"width": [1, 0.1, 1e-7, 2], "average": "none", "validate_args": False}),
}


@pytest.mark.parametrize("case", OF_KINDS)
def test_every_kind_is_saved_and_loaded(case, tmp_path):
    kind, settings = OF_KINDS[case]
    metric = kind.made(**settings)
    for number, (preds, target) in enumerate(kind.batches()):
        ids = {"image_ids": [f"a{number}", f"b{number}"]} if metric.per_image else {}
        labels = slice(metric.label_space.num_classes if kind.overlaps else None)
        metric.update(preds[:, labels], target[:, labels], **ids)
    metric.save(tmp_path / "a")
    other = kind.of.load(tmp_path / "a")
    for name in ("label_space", "policy", "input_settings", "per_image", "update_count", "protocol"):
        assert getattr(other, name) == getattr(metric, name)
    assert repr(other) == repr(metric)
    assert torch.equal(other.settings, metric.settings)
    assert torch.equal(other.counts, metric.counts)
    assert_equal(other.compute(), metric.compute())
    ones = [metric.at(width) for width in metric.widths] if kind is BANDS else [metric]
    others = [other.at(width) for width in other.widths] if kind is BANDS else [other]
    assert [one.report() for one in others] == [one.report() for one in ones]
    if metric.per_image:
        assert other.image_scores() == metric.image_scores()
    other.merge_state(metric)
    assert other.update_count == 8


def test_shards_of_every_kind_are_those_of_one_run(tmp_path):
    for kind in (LABELS, CURVE, BANDS):
        for seed in (0, 1):
            kind.filled(seed).save(tmp_path / str(seed))
        first, second = (kind.of.load(tmp_path / str(seed)) for seed in (0, 1))
        first.merge_state(second)
        whole = kind.filled(0)
        whole.merge_state(kind.filled(1))
        assert_equal(first.compute(), whole.compute())


@pytest.mark.parametrize(("kind", "other"), [(a, b) for a in KINDS for b in KINDS if a is not b], ids=str)
def test_a_file_of_another_kind_of_metric(kind, other, tmp_path):
    other.filled().save(tmp_path / "file")
    with pytest.raises(ValueError, match=r"file holds a metric") as error:
        kind.of.load(tmp_path / "file")
    assert_sentence(error, f"{str(other)!r}, not {kind}; load it with that class")


@pytest.mark.parametrize("kind", [LABELS, CURVE], ids=str)
def test_files_of_labels_that_lack_a_part_or_hold_a_wrong_one(kind, tmp_path):
    metric = kind.filled(**({"per_image": True} if kind is LABELS else {}))
    good = parts_of(metric, tmp_path)

    def of(part, **values):
        return good | {part: good[part] | values}

    wrong = {
        "lacks 'counts'": {name: value for name, value in good.items() if name != "counts"},
        "'counts' has the shape [5, 5]; expected [3, 4, ": good | {"counts": torch.zeros(5, 5, dtype=torch.int64)},
        "negative counts": good | {"counts": -good["counts"]},
        "no int64 tensor 'counts'": good | {"counts": good["counts"].double()},
        "num_labels is 0": of("space", num_labels=0),
        "class_names": of("space", num_labels=2),
        "inclusive is 'no'": of("input_settings", inclusive="no"),
        "inclusive is 1": of("input_settings", inclusive=1),
        "ignore_index holds 1": of("input_settings", ignore_index=[1]),
        "absent is 'half'": of("policy", absent="half"),
        "which this version of meaniou does not know": of("policy", later=1),
    }
    if kind is LABELS:
        wrong["does not add up"] = good | {"image_rows": good["image_rows"] * 2}
        wrong["expected [N, 4, 6] and [N]"] = good | {"image_ids": good["image_rows"]}
        wrong["threshold holds 2 numbers"] = of("input_settings", thresholds=(0.1, 0.2), per_label=True)
        wrong["thresholds is (0.1, 0.2), which does not fit"] = of("input_settings", thresholds=(0.1, 0.2))
        wrong["index out of range"] = of("input_settings", thresholds=())
    else:
        wrong["expected ascending"] = of("input_settings", thresholds=(0.5, 0.25, 0.75))
        wrong["expected [3, 4, 5]"] = of("input_settings", thresholds=(0.5, 0.75))
        wrong["thresholds is 3, which does not fit"] = of("input_settings", thresholds=3)
        wrong["per_label is True, which does not fit"] = of("input_settings", per_label=True)
    for part, state in wrong.items():
        torch.save(state, tmp_path / "file")
        with pytest.raises(ValueError, match="file") as error:
            kind.of.load(tmp_path / "file")
        assert_sentence(error, part)


@pytest.mark.parametrize("kind", [LABELS, CURVE], ids=str)
def test_what_the_counts_of_labels_settle_is_not_overridden(kind, tmp_path):
    kind.filled().save(tmp_path / "a")
    settled = {
        "num_labels": 4,
        "ignore_index": 7,
        "inclusive": True,
        "validate_args": False,
        "class_names": NAMES,
    }
    settled |= {"threshold": 0.4, "per_image": True} if kind is LABELS else {"thresholds": 11}
    for name, value in settled.items():
        with pytest.raises(TypeError) as error:
            kind.of.load(tmp_path / "a", **{name: value})
        assert_sentence(error, f"cannot change {name}", str(tmp_path / "a"), "Leave it out")


@each_kind
def test_rules_of_every_kind_that_change_no_count_are_taken(kind, tmp_path):
    kind.filled().save(tmp_path / "a")
    rules = {"average": "weighted", "absent": "zero", "present": "target", "classes": [0, 1]}
    rules |= {} if kind is BANDS else {"void_preds": "drop"}  # for bands, a setting of counting
    metric = kind.of.load(tmp_path / "a", **rules, impl="portable", sync_on_compute=False)
    assert_equal(metric.compute(), kind.filled(**rules).compute())
    assert str(metric.report()) == str(kind.filled(**rules).report())
    assert metric.input_settings.impl == "portable"
    for wrong, words in (({"no_such_rule": 1}, f"{kind} .*'no_such_rule'"), ({"average": "x"}, "average is 'x'")):
        with pytest.raises(ValueError, match=words):
            kind.of.load(tmp_path / "a", **wrong)


def test_a_bit_that_is_wrong_in_a_file_of_labels_is_noticed(tmp_path):
    path, numbers = tmp_path / "x", np.random.default_rng(5)
    metric = LABELS.filled(per_image=True)
    metric.save(path)
    whole = bytearray(path.read_bytes())
    for place in numbers.integers(0, len(whole), 100).tolist():
        spoiled = whole.copy()
        spoiled[place] ^= 1 << int(numbers.integers(8))
        path.write_bytes(spoiled)
        with contextlib.suppress(ValueError):
            assert_same_rows(LABELS.of.load(path), metric)


@each_kind
def test_a_kernel_that_cannot_run_here_is_not_what_a_file_of_any_kind_needs(kind, tmp_path, monkeypatch):
    kind.filled(impl="portable").save(tmp_path / "a")
    reason = "impl='portable' cannot run, since it is gone; install it."
    places = ("checkpoint", "counters.mean_iou", "counters.labels", "counters.mean_boundary_iou")
    for module in places:
        monkeypatch.setattr(f"meaniou.metrics.{module}.why_not", lambda impl: reason if impl == "portable" else "")
    with pytest.raises(ValueError, match="cannot run") as error:
        kind.of.load(tmp_path / "a")
    assert_sentence(error, "install it, or pass impl='auto' to load()")
    assert_equal(kind.of.load(tmp_path / "a", impl="auto").compute(), kind.filled().compute())
