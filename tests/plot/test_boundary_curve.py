"""The plot of boundary IoU over widths: its lines, its axis, its words, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou import MeanBoundaryIoU, MeanIoU, plot, synthetic
from meaniou.plot import figures

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402

NAMES = [*synthetic.NAMES[:-1], "$x"]  # no formula


def counted(width: Any, **settings: Any) -> tuple[MeanIoU, MeanBoundaryIoU]:
    shared = {"ignore_index": 255, "class_names": NAMES, **settings}
    both = MeanIoU(9, **shared), MeanBoundaryIoU(9, **shared, width=width)
    for seed in (0, 1):
        preds, target = (torch.from_numpy(side)[None] for side in synthetic.scene(seed, 64, 128))
        for metric in both:
            metric.update(preds, target)
    return both


def lines_of(ax: Any) -> dict[str, Any]:
    """The points of each line by its name, before the numbers in the legend."""
    return {line.get_label().split(": ")[0]: line.get_xydata() for line in ax.get_lines()}


def test_lines_are_the_boundary_iou_of_each_class_and_the_mean() -> None:
    iou, bands = counted([6, 1, 3])
    report = iou.report(boundary=bands)
    ax = plot.boundary_curve(report)
    lines = lines_of(ax)
    assert list(lines) == [*NAMES, "mean", "mean IoU"]
    for c, name in enumerate(NAMES):
        expected = [[report.boundaries[i].width, 100 * report.boundaries[i].classes[c].iou] for i in (1, 2, 0)]
        assert np.array_equal(lines[name], expected, equal_nan=True)
    means = [100 * report.boundaries[i].mean_iou for i in (1, 2, 0)]
    assert lines["mean"].tolist() == [[width, mean] for width, mean in zip((1, 3, 6), means, strict=True)]
    assert lines["mean IoU"][0, 1] == 100 * report.mean_iou
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    road = [100 * report.boundaries[i].classes[0].iou for i in (1, 0)]
    assert words[0] == f"road: {road[0]:.1f} to {road[1]:.1f}"
    assert words[-3:-1] == ["$x: undefined", f"mean: {means[0]:.1f} to {means[-1]:.1f}"]
    assert not any(text.get_parse_math() for text in ax.get_legend().get_texts())
    assert ax.get_title() == "boundary IoU at each width"
    pyplot.close("all")


def test_a_metric_draws_its_widths() -> None:
    _, bands = counted([1, 3])
    figure, ax = bands.plot()
    assert ax.figure is figure
    assert list(lines_of(ax)) == [*NAMES, "mean"]
    boundaries = counted([1, 3])[0].report(boundary=bands).boundaries
    assert lines_of(ax)["mean"].tolist() == [[b.width, 100 * b.mean_iou] for b in boundaries]
    _, axes = pyplot.subplots()
    assert bands.plot(ax=axes)[1] is axes
    assert bands.plot(bands.compute())[1] is not axes  # a value that is passed is drawn as for any metric
    assert not lines_of(bands.at(3).plot()[1]).keys() & {"mean"}
    pyplot.close("all")


def test_the_axis_has_the_unit_of_the_widths() -> None:
    labels = {}
    for width in ([2, 3], [0.02, 0.04], [0.04, 2], [0.005, 0.01, 0.011, 0.1]):
        iou, bands = counted(width)
        ax = plot.boundary_curve(iou.report(boundary=bands))
        labels[tuple(width)] = ax.get_xlabel()
        logarithmic = max(width) >= 8 * min(width) and len(width) > 2
        assert ax.get_xscale() == ("log" if logarithmic else "linear")
        if logarithmic:
            assert [text.get_text() for text in ax.get_xticklabels()] == ["0.1", "0.011", "0.005"]
    assert list(labels.values()) == [
        "width of the band in pixels",
        "width of the band, a share of the diagonal",
        "width of the band in pixels, mean over images",
        "width of the band, a share of the diagonal",
    ]
    iou, bands = counted([0.04, 2])
    assert lines_of(plot.boundary_curve(iou.report(boundary=bands)))["mean"][:, 0].tolist() == [2, 6]  # 143 px
    pyplot.close("all")


def test_of_many_classes_the_lowest_are_drawn() -> None:
    iou, bands = counted([1, 3])
    report = iou.report(boundary=bands)
    ax = plot.boundary_curve(report, most=2)
    last = {c.name: c.iou for c in report.boundaries[1].classes if c.iou == c.iou}
    assert {*lines_of(ax)} == {*sorted(last, key=lambda name: last[name])[:2], "mean", "mean IoU"}
    assert (
        ax.get_title() == f"boundary IoU at each width (the 2 lowest of {len(last)} classes, {9 - len(last)} undefined)"
    )
    pyplot.close("all")


def test_one_width_and_one_class() -> None:
    iou, bands = counted(0.02)
    ax = plot.boundary_curve(iou.report(boundary=bands))
    mean = iou.report(boundary=bands).boundaries[0].mean_iou
    assert f"mean: {100 * mean:.1f}" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "mean IoU" not in lines_of(plot.boundary_curve(bands.report()))
    lone = MeanBoundaryIoU(1, width=[1, 2])
    assert list(lines_of(lone.plot()[1])) == ["0"]  # before any update
    pyplot.close("all")


def test_what_has_no_widths_is_refused() -> None:
    iou, bands = counted([1, 3])
    with pytest.raises(TypeError, match="expected a Report") as error:
        plot.boundary_curve(bands)  # type: ignore[arg-type]
    assert_sentence(error, "MeanBoundaryIoU", "report(boundary=...)")
    with pytest.raises(ValueError, match="no boundary IoU") as wrong:
        plot.boundary_curve(iou.report())
    assert_sentence(wrong, "report(boundary=...)")
    with pytest.raises(ValueError, match="most is 0"):
        plot.boundary_curve(iou.report(boundary=bands), most=0)
    assert not pyplot.get_fignums()


def test_values_of_classes_at_several_widths_are_no_bars() -> None:
    bands = MeanBoundaryIoU(3, width=[1, 2], average="none")
    val = torch.rand(2, 3)
    for table in (val, [val, val]):
        with pytest.raises(ValueError, match=r"\[2, 3\]") as error:
            bands.plot(table)
        assert_sentence(error, "val[0]", "leave val out")
    assert bands.plot(val[0])[1].get_lines()
    pyplot.close("all")


def test_bars_of_bands_name_boundary_iou() -> None:
    iou, bands = counted(0.02)
    ax = figures.classes(bands.report())
    assert (ax.get_title(), ax.get_xlabel()) == ("boundary IoU of each class", "boundary IoU in percent")
    assert ax.get_legend().get_texts()[0].get_text().startswith("mean boundary IoU ")
    ax = figures.classes(iou.report(boundary=bands))
    assert (ax.get_title(), ax.get_xlabel()) == ("IoU of each class", "IoU in percent")
    pyplot.close("all")
