"""Pictures of errors in bands: the kind of each pixel, legends, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou import MeanBoundaryIoU, plot, synthetic
from meaniou.plot import colors, overlays
from meaniou.settings import BandSettings, InputSettings, LabelSpace

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402

SPACE = LabelSpace(9, ignore_index=255, class_names=synthetic.NAMES)


def settings_of(width: Any = 0.02, **keywords: Any) -> BandSettings:
    rules = {"edge": True, "void": "ignore", "drop_void_preds": False, **keywords}
    return BandSettings.of_bands(InputSettings.of("index", 0.5, True, "auto"), width, **rules)


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    preds, target = synthetic.scene(3, 64, 128)
    preds[:4, 80:] = 255
    return torch.from_numpy(preds), torch.from_numpy(target)


@pytest.mark.parametrize("rules", [{}, {"edge": False}, {"void": "literal"}, {"void_preds": "drop"}])
def test_kinds_of_a_class_are_its_counts(rules: dict[str, Any]) -> None:
    preds, target = scene()
    metric = MeanBoundaryIoU(label_space=SPACE, width=0.02, **rules)
    metric.update(preds[None], target[None])
    drop = rules.get("void_preds") == "drop"
    inputs = settings_of(**{k: v for k, v in rules.items() if k != "void_preds"}, drop_void_preds=drop)
    report = metric.report()
    assert sum(c.intersection for c in report.classes)
    for c, record in enumerate(report.classes):
        hits, misses, alarms, _ = np.bincount(overlays.band_kinds(preds, target, SPACE, inputs, c).ravel(), None, 5)[1:]
        assert [hits, hits + misses, hits + alarms] == [record.intersection, record.truth, record.predicted]
    kinds = overlays.band_kinds(preds, target, SPACE, inputs)
    assert (kinds == 1).sum() == sum(c.intersection for c in report.classes)
    assert (kinds == 2).sum() == sum(c.truth - c.intersection for c in report.classes)
    void = (target == 255) | (preds == 255) if drop else target == 255
    assert ((kinds == 4) == void.numpy()).all()


def test_kinds_of_pixels_by_hand() -> None:
    target = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 1, 255]] * 3)
    preds = torch.tensor([[0, 0, 0, 0, 0, 0, 1, 1, 1, 1]] * 3)
    inputs, space = settings_of(1, edge=False), LabelSpace(2, ignore_index=255)
    # bands of the ground truth: columns 3 and 4; of the prediction: columns 5 and 6
    assert overlays.band_kinds(preds, target, space, inputs).tolist() == [[0, 0, 0, 2, 2, 3, 3, 0, 0, 4]] * 3
    assert overlays.band_kinds(preds, target, space, inputs, 0).tolist() == [[0, 0, 0, 2, 0, 3, 0, 0, 0, 4]] * 3
    moved = settings_of(2, edge=False)  # columns 2 to 5, and 4 to 7: two of them with another class
    assert overlays.band_kinds(preds, target, space, moved).tolist() == [[0, 0, 2, 2, 2, 2, 3, 3, 0, 4]] * 3
    assert overlays.band_kinds(target, target, space, moved).tolist() == [[0, 0, 1, 1, 1, 1, 0, 0, 0, 4]] * 3


def test_rows_of_a_picture_can_be_drawn_apart() -> None:
    preds, target = scene()
    light = overlays.grey(None, (64, 128))
    kinds = overlays.band_kinds(preds, target, SPACE, settings_of())
    whole = overlays.boundary_errors(light, kinds)
    assert (overlays.boundary_errors(light[8:20], kinds[8:20]) == whole[8:20]).all()
    legend = overlays.legend(colors.OF_ONE)
    shades = [(colors.MIDDLE,) * 3, *legend.values()]
    assert (whole == np.array(shades, np.uint8)[kinds]).all()
    assert {*np.unique(kinds).tolist()} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("of", [None, "car"])
def test_the_picture_on_axes(of: str | None) -> None:
    preds, target = scene()
    ax = plot.boundary_errors(None, preds.numpy(), target, of=of, label_space=SPACE)
    assert ax.get_title() == f"boundary errors{' of car' if of else ''}, width 3 px"  # 2 % of 143 px
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [*colors.OF_ONE, "void"]
    kinds = overlays.band_kinds(
        preds, target, SPACE, settings_of(), None if of is None else SPACE.class_names.index(of)
    )
    drawing = overlays.boundary_errors(overlays.grey(None, (64, 128)), kinds)
    assert (ax.images[0].get_array() == drawing).all()
    figure, axes = pyplot.subplots()
    same = torch.zeros(5, 5, dtype=torch.long)
    assert plot.boundary_errors(None, same, same, 2, axes, width=2, edge=False) is axes
    assert "void" not in [text.get_text() for text in axes.get_legend().get_texts()]
    assert pyplot.get_fignums()[-1] == figure.number
    pyplot.close("all")


def test_rules_reach_the_picture() -> None:
    preds, target = scene()
    pictures = [
        plot.boundary_errors(None, preds, target, label_space=SPACE, **rules).images[0].get_array()
        for rules in ({}, {"width": 5}, {"edge": False}, {"void": "literal"}, {"void_preds": "drop"})
    ]
    assert all((picture != pictures[0]).any() for picture in pictures[1:])
    pyplot.close("all")


def test_settings_of_pictures_that_are_refused() -> None:
    nothing = np.zeros((4, 6), int)
    for keywords, parts in (
        ({"width": [1, 2]}, ("2 widths", "expected one")),
        ({"width": 0}, ("width is 0",)),
        ({"width": 7}, ("width is 7", "4 x 6")),
        ({"void": "x"}, ("'x'", "literal")),
        ({"void_preds": ""}, ("void_preds", "'drop'")),
        ({"of": "cat"}, ("cat",)),
    ):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            plot.boundary_errors(None, nothing, nothing, 2, **keywords)  # type: ignore[arg-type]
        assert_sentence(error, *parts)
    with pytest.raises(ValueError, match="one label map"):
        plot.boundary_errors(None, nothing[None], nothing[None], 2)
    assert not pyplot.get_fignums()
