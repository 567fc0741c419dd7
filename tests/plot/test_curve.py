"""The plot of IoU over thresholds: its lines, points and words, from a report and from a value of the metric."""

import io
import math
import sys
from typing import Any

import numpy as np
import pytest
import torch
from support import assert_sentence
from torchmetrics import MetricCollection

from meaniou import IoUCurve, MeanIoU, plot
from meaniou.plot import colors

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402

GRID = [0.2, 0.4, 0.6, 0.8]
COMMON = "best common threshold: "


@pytest.fixture(autouse=True)
def no_figures() -> Any:
    yield
    pyplot.close("all")


def counted(labels: int, thresholds: Any = 101, absent: tuple[int, ...] = (), **settings: Any) -> IoUCurve:
    """A curve of labels, each better than the one before; an absent label has low scores."""
    metric = IoUCurve(labels, thresholds=thresholds, **settings)
    quantiles = torch.linspace(0, 1, 1200)
    target = (torch.arange(1200) % 3 == 0).long().expand(1, labels, -1).clone()
    gains = torch.linspace(0.1, 0.6, labels)[:, None]
    scores = (quantiles[torch.arange(1200) * 7 % 1200] * (1 - gains) + gains * target[0])[None]
    for label in absent:
        target[0, label], scores[0, label] = 0, scores[0, label] / 4
    metric.update(scores, target)
    return metric


def legend_of(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def lines_of(ax: Any) -> dict[str, Any]:
    """The lines of the legend by the words before their numbers."""
    return {line.get_label().rpartition(":")[0]: line for line in ax.lines if not line.get_label().startswith("_")}


def points_of(ax: Any) -> list[tuple[float, float]]:
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_marker() == "o"]


def test_each_line_is_the_iou_of_its_label_with_a_point_at_the_best() -> None:
    report = counted(3, GRID, class_names=["a", "b", "c"]).report()
    ax = plot.curve(report)
    lines = lines_of(ax)
    assert [*lines] == ["a", "b", "c", "mean", COMMON[:-2]]
    for label, name in enumerate("abc"):
        np.testing.assert_array_equal(lines[name].get_xdata(), GRID)
        np.testing.assert_array_equal(lines[name].get_ydata(), 100 * report.iou[:, label])
        assert to_rgb(lines[name].get_color()) == tuple(part / 255 for part in colors.LINES[label])
    np.testing.assert_array_equal(lines["mean"].get_ydata(), 100 * report.mean_iou)
    assert points_of(ax) == [(t, 100 * v) for t, v in (*report.best, report.best_common)]
    assert lines[COMMON[:-2]].get_xdata() == [report.best_common[0]] * 2
    assert lines[COMMON[:-2]].get_linestyle() == "--"
    words = [f"{name}: {100 * v:.1f} at {t:g}" for name, (t, v) in zip("abc", report.best, strict=True)]
    threshold, mean = report.best_common
    assert legend_of(ax) == [*words, f"mean: {100 * mean:.1f} at {threshold:g}", f"{COMMON}{threshold:g}"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("threshold", "IoU in percent")


def test_a_single_label_has_no_mean() -> None:
    ax = plot.curve(counted(1, class_names=["crack"]).report())
    assert [*lines_of(ax)] == ["crack"]
    assert len(points_of(ax)) == 1
    assert ax.get_title() == "IoU at each threshold"


def test_of_many_labels_the_lowest_are_drawn_and_the_title_counts_them() -> None:
    report = counted(40, absent=(3, 7)).report()
    nowhere = counted(12, absent=tuple(range(4)), thresholds=[0.3, 0.5, 0.7]).report()
    ax = plot.curve(report)
    assert ax.get_title() == "IoU at each threshold (the 9 lowest of 40 labels)"
    shown = {int(name) for name in lines_of(ax) if name.isdecimal()}
    assert shown == {*sorted(range(40), key=lambda label: report.best[label][1])[:9]}
    np.testing.assert_array_equal(lines_of(ax)["mean"].get_ydata(), 100 * report.mean_iou)
    assert plot.curve(nowhere, most=2).get_title() == "IoU at each threshold (the 2 lowest of 8 labels, 4 undefined)"
    assert "(" not in plot.curve(report, most=40).get_title()
    assert len({line.get_color() for line in ax.lines}) == 10  # of nine labels and the mean


def test_an_undefined_iou_is_a_gap_and_a_label_without_any_says_so() -> None:
    report = counted(2, absent=(1,), thresholds=101).report()
    values = lines_of(plot.curve(report))["1"].get_ydata()
    assert np.isnan(values).any()
    np.testing.assert_array_equal(values, 100 * report.iou[:, 1])
    ax = plot.curve(counted(2, absent=(1,), thresholds=[0.5, 0.6]).report())
    assert legend_of(ax)[1] == "1: undefined"
    nothing = plot.curve(IoUCurve(2).report())
    assert legend_of(nothing) == ["0: undefined", "1: undefined", "mean: undefined"]
    nothing.figure.savefig(io.BytesIO())


def test_a_value_between_gaps_has_a_point() -> None:
    metric = IoUCurve(thresholds=30)
    iou = torch.full((30,), math.nan)
    iou[3], iou[10:20] = 0.5, 0.25
    _, ax = metric.plot((iou, torch.linspace(0, 1, 30)))
    assert ax.lines[0].get_markevery() == [3]
    _, ax = counted(1, GRID).plot()
    assert ax.lines[0].get_markevery() == [0, 1, 2, 3]  # each of few thresholds


@pytest.mark.parametrize("labels", [1, 3])
def test_a_value_of_compute_is_drawn_as_the_report(labels: int) -> None:
    metric = counted(labels, GRID, absent=(0,))
    figure, ax = metric.plot()
    assert ax.figure is figure
    _, other = metric.plot(metric.compute())
    assert legend_of(other) == legend_of(ax)
    for a, b in zip(ax.lines, other.lines, strict=True):
        np.testing.assert_allclose(a.get_ydata(), b.get_ydata(), rtol=1e-6)
        np.testing.assert_allclose(a.get_xdata(), b.get_xdata(), rtol=1e-6)
    batch = metric(torch.rand(2, labels, 5), torch.randint(0, 2, (2, labels, 5)))
    assert metric.plot(batch)[1].get_title() == "IoU at each threshold"
    weighted = counted(3, GRID, average="weighted")
    assert "mean" in lines_of(weighted.plot()[1])
    assert "mean" not in lines_of(weighted.plot(weighted.compute())[1])  # it needs the counts


def test_axes_are_drawn_on_and_returned() -> None:
    metric = counted(2, GRID)
    figure, axes = pyplot.subplots(1, 2)
    assert plot.curve(metric.report(), axes[0]) is axes[0]
    assert metric.plot(ax=axes[1]) == (figure, axes[1])
    assert pyplot.get_fignums() == [figure.number]
    ((_, ax),) = MetricCollection([metric]).plot()
    assert legend_of(ax) == legend_of(axes[0])


@pytest.mark.parametrize(
    "val", [torch.rand(4), (torch.rand(2, 4),), [(torch.rand(2, 4), torch.rand(4))] * 2, "curve", 1]
)
def test_another_value_is_refused(val: Any) -> None:
    with pytest.raises(TypeError) as error:
        counted(2, GRID).plot(val)
    assert_sentence(error, "val is", "compute()")


@pytest.mark.parametrize("shapes", [((4,), (4,)), ((2, 5), (4,)), ((4, 2), (4,)), ((2, 4), (4, 1))])
def test_a_value_of_another_shape_is_refused(shapes: Any) -> None:
    with pytest.raises(ValueError, match="val has the shapes") as error:
        counted(2, GRID).plot(tuple(torch.rand(shape) for shape in shapes))
    assert_sentence(error, str(list(shapes[0])), "[2, 4] and [4]", "compute()")


def test_other_reports_and_numbers_are_refused() -> None:
    for other in (MeanIoU(2).report(), counted(1), None):
        with pytest.raises(TypeError) as error:
            plot.curve(other)
        assert_sentence(error, "report is", "CurveReport", "IoUCurve")
    with pytest.raises(ValueError, match="most is 0") as refused:
        plot.curve(counted(1).report(), most=0)
    assert_sentence(refused, "1 label or more")
    assert not pyplot.get_fignums()


def test_without_matplotlib_the_sentence_is_that_of_other_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"plot\(\) needs matplotlib; .*meaniou\[plot\]"):
        counted(1).plot()
    with pytest.raises(ModuleNotFoundError, match="install the extra 'plot'"):
        plot.curve(counted(1).report())


def test_names_are_cut_off_and_no_formulas() -> None:
    ax = plot.curve(counted(3, GRID, class_names=["a" * 100 + "b", "x$y$", r"$\frac{$"]).report())
    ax.figure.savefig(io.BytesIO())
    assert legend_of(ax)[0].startswith("a" * 16 + "..." + "a" * 12 + "b: ")
    assert not any(text.get_parse_math() for text in ax.get_legend().get_texts())


def test_infinite_thresholds_leave_the_others() -> None:
    metric = counted(2, [-math.inf, 0.3, 0.6, math.inf])
    figure, ax = metric.plot()
    figure.savefig(io.BytesIO())
    low, high = ax.get_xlim()
    assert 0 < low < 0.3
    assert 0.6 < high < 1


def test_lines_differ_from_each_other_and_from_the_ground() -> None:
    shades = np.array(colors.LINES, float)
    assert len({*colors.LINES, colors.INK}) == 10
    distances = np.linalg.norm(shades[:, None] - shades[None], axis=-1)
    assert distances[~np.eye(len(shades), dtype=bool)].min() > 50
    assert np.linalg.norm(shades - 255, axis=1).min() > 100
