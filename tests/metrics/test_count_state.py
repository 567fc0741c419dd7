"""The base class of the metrics, tested with a metric whose counts are no confusion matrix."""

import pytest
import torch
from support import assert_sentence

from meaniou.metrics import checkpoint
from meaniou.metrics.checked.image_ids import ids_of
from meaniou.metrics.checkpoint import SavedSettings
from meaniou.metrics.state.count_state import CountState
from meaniou.metrics.state.images import BatchImages
from meaniou.metrics.state.keywords import KEYWORDS
from meaniou.metrics.state.state_form import StateForm
from meaniou.settings import InputSettings, LabelSpace, Policy

LABELS, BINS = 2, 3
PREDS = torch.tensor([[0, 1, 2], [1, 1, 3]])  # [B, N]: bit l says whether label l is set
TARGET = torch.tensor([[1, 1, 0], [2, 1, 3]])


class Bits(CountState):
    """Counts per label: [not set, set, void] in the prediction by [not set, set, void, outside] in the ground truth."""

    full_state_update = False

    def __init__(self, num_labels=LABELS, *, per_image=False, impl="auto", **settings):
        super().__init__(**{name: value for name, value in settings.items() if name in KEYWORDS})
        self.num_labels, self.protocol = num_labels, None
        self.policy = Policy.of(LabelSpace(num_labels))
        self.input_settings = InputSettings("auto", 0.5, True, impl)
        form = StateForm.of({"num_labels": num_labels}, (num_labels, BINS, 4), num_labels, per_image)
        self._add_counts(form)

    @classmethod
    def saved_settings(cls):
        return SavedSettings(
            metric="Bits",
            space=("num_labels",),
            policy=("average",),
            inputs=("impl",),
            settled=("num_labels",),
            values=lambda metric: {"num_labels": metric.num_labels},
            keywords=lambda parts: {**parts["space"], **parts["input_settings"], "per_image": parts["per_image"]},
        )

    def update(self, preds, target, image_ids=None):
        counts = torch.zeros(len(preds), self.num_labels, BINS, 4, dtype=torch.int64)
        for image, (p, t) in enumerate(zip(preds.tolist(), target.tolist(), strict=True)):
            for label in range(self.num_labels):
                for x, y in zip(p, t, strict=True):
                    counts[image, label, x >> label & 1, y >> label & 1] += 1
        rows = torch.stack([self._image_counts_of(each) for each in counts])
        images = BatchImages(rows, *ids_of(image_ids, len(rows), torch.device("cpu"))) if self.per_image else None
        self._add_batch(counts.sum(0), images)

    def compute(self):
        return self.counts[:, 1, 1] / (self.counts[:, 1].sum(1) + self.counts[:, 0, 1])

    def _image_counts_of(self, counts):
        return torch.stack([counts[:, 1, 1], counts[:, :, 1].sum(1), counts[:, 1].sum(1), counts[:, 2].sum(1)])


def filled(ids=("a", "b")):
    metric = Bits(per_image=True)
    metric.update(PREDS, TARGET, image_ids=ids)
    return metric


def test_counts_of_another_shape():
    metric = filled()
    assert metric.compute().tolist() == [pytest.approx(3 / 5), pytest.approx(1 / 3)]
    assert metric(PREDS[:1], TARGET[:1], image_ids=["c"])[0] == 0.5
    assert metric.counts.sum() == 3 * 3 * LABELS
    assert set(metric.image_names.values()) == {"a", "b", "c"}
    metric.merge_state(filled(("d", "e")))
    assert metric.update_count == 3
    metric.half()
    assert metric.counts.dtype == torch.int64
    metric.reset()
    assert metric.counts.shape == (LABELS, BINS, 4)
    assert not metric.counts.any()


def test_rows_that_do_not_add_up_to_counts_of_another_shape():
    metric, state = filled(), filled().snapshot()
    before = metric.counts
    wrong = {
        ("'image_rows'", "[N, 4, 2]"): {"image_rows": [torch.zeros(2, 4, 3, dtype=torch.int64)]},
        ("'image_rows'", "add up"): {"image_rows": [state["image_rows"][0] * 2]},
        ("'counts'", "[4, 4]", "[2, 3, 4]"): {"counts": torch.zeros(4, 4, dtype=torch.int64)},
        ("num_labels=3", "num_labels=2"): {"settings": Bits(3, per_image=True).settings},
    }
    for parts, change in wrong.items():
        with pytest.raises(ValueError, match="state") as error:
            metric.merge_state(state | change)
        assert_sentence(error, *parts)
        assert metric.counts is before


def test_a_snapshot_is_what_merge_state_adds():
    metric = Bits(per_image=True)
    metric.merge_state(filled().snapshot())
    assert metric.update_count == 1
    assert torch.equal(metric.counts, filled().counts)
    assert metric.image_names == filled().image_names


def test_a_counter_with_settings_of_its_own_is_saved(tmp_path):
    metric = filled()
    checkpoint.save(metric, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == checkpoint.to_bytes(metric)
    other = checkpoint.load(Bits, tmp_path / "a")
    assert torch.equal(other.counts, metric.counts)
    assert (other.update_count, other.image_names) == (1, metric.image_names)
    with pytest.raises(TypeError, match="num_labels"):
        checkpoint.load(Bits, tmp_path / "a", num_labels=3)


def test_the_update_count_of_all_ranks_is_put_back():
    """A custom ``dist_sync_fn`` returns no number of updates, so this rank keeps its own."""
    metric = Bits(sync_on_compute=True)
    metric.update(PREDS, TARGET)
    metric.sync(dist_sync_fn=lambda part, group: [part, part], distributed_available=lambda: True)
    assert metric.update_count == 1
    assert metric.counts.sum() == 2 * 2 * 3 * LABELS
    metric.unsync()
    assert metric.update_count == 1
    assert metric.counts.sum() == 2 * 3 * LABELS
