"""Lightning trainers that log the metric; as a script, this file is one of two processes of such a trainer."""

import json
import os
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader
from torchmetrics import MetricCollection
from torchmetrics.wrappers import ClasswiseWrapper

from meaniou import IoUCurve, MeanIoU, MultilabelMeanIoU, mean_iou
from meaniou.distributed import UnpaddedSampler

# Warnings of Lightning itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The '[a-z_]+' does not have many workers:UserWarning"),
]
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
SETTINGS = {"num_classes": 3, "ignore_index": 255}


def maps(index):
    """The prediction and the ground truth of the image with this index."""
    generator = torch.Generator().manual_seed(index)
    preds, target = torch.randint(0, 3, (2, 8, 9), generator=generator)
    wrong, void = torch.rand(2, 8, 9, generator=generator, dtype=torch.float32)  # a trainer may set another default
    target = torch.where(wrong < 0.1 * (index % 7), target, preds)
    return preds, target.masked_fill(void < 0.1, 255)


def exact(indices, **settings):
    """The mean IoU of some images in one call."""
    preds, target = (list(side) for side in zip(*(maps(i) for i in indices), strict=True))
    return mean_iou(preds, target, **(SETTINGS | settings))


def loader(indices, batch_size=2):
    return DataLoader([torch.tensor(i) for i in indices], batch_size=batch_size)


class Segmenter(LightningModule):
    """A model whose scores for image ``i`` are those of ``maps(i)``, times a weight that stays positive."""

    def __init__(self, **settings):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.metric = MeanIoU(**(SETTINGS | settings))
        self.epochs = []

    def predict(self, batch):
        preds, target = (torch.stack(side) for side in zip(*(maps(int(i)) for i in batch), strict=True))
        planes = torch.nn.functional.one_hot(preds, 3).movedim(-1, 1)
        return self.weight * planes.to(self.weight.dtype), target

    def validation_step(self, batch, index):
        self.metric.update(*self.predict(batch))
        self.log("val/miou", self.metric)

    def on_validation_epoch_end(self):
        self.epochs.append(self.metric.update_count)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-6)


def logged(trainer, name="val/miou"):
    return trainer.callback_metrics[name]


def trainer_in(tmp_path, **settings):
    return Trainer(default_root_dir=tmp_path, **(QUIET | {"devices": 1, "enable_checkpointing": False} | settings))


# ---------------------------------------------------------------------------------------------------------- one process


@pytest.mark.parametrize("precision", ["32-true", "bf16-true", "64-true", "bf16-mixed"])
def test_logged_value_is_exact(tmp_path, precision):
    indices = range(11)  # the last batch is smaller
    trainer, model = trainer_in(tmp_path, precision=precision), Segmenter()
    trainer.validate(model, loader(indices), verbose=False)
    assert logged(trainer).item() == exact(indices).item()
    assert model.metric.counts.dtype == torch.int64
    assert model.metric.dtype == torch.float32
    assert model.epochs == [6]


def test_many_images_in_bf16(tmp_path):
    """Float states stop growing at 256 in bfloat16 and then log 1.0."""
    model = Segmenter()
    trainer = trainer_in(tmp_path, precision="bf16-true")
    indices = list(range(10)) * 60
    trainer.validate(model, loader(indices, batch_size=4), verbose=False)
    assert logged(trainer).item() == exact(range(10)).item()
    assert model.epochs == [150]


def test_logging_resets_between_epochs(tmp_path):
    class Epochs(Callback):
        values, counts = [], []

        def on_validation_end(self, trainer, module):
            self.values.append(logged(trainer).item())

        def on_train_epoch_end(self, trainer, module):
            self.counts.append(module.metric.update_count)

    class Growing(Segmenter):
        def train_dataloader(self):
            return loader(range(4))

        def val_dataloader(self):
            start = 3 * self.trainer.current_epoch
            return loader(range(start, start + 3))

        def training_step(self, batch, index):
            scores, _ = self.predict(batch)
            return scores.mean()

    trainer = trainer_in(
        tmp_path, max_epochs=3, num_sanity_val_steps=0, callbacks=[Epochs()], reload_dataloaders_every_n_epochs=1
    )
    model = Growing()
    trainer.fit(model)
    expected = [exact(range(start, start + 3)).item() for start in (0, 3, 6)]
    assert Epochs.values == expected
    assert len(set(expected)) == 3
    assert model.epochs == [2, 2, 2]
    assert not model.metric.update_called


def test_collection_and_classes(tmp_path):
    class Several(Segmenter):
        def __init__(self):
            super().__init__()
            self.several = MetricCollection(
                {"mean": MeanIoU(**SETTINGS), "micro": MeanIoU(**SETTINGS, average="micro")}, prefix="val/"
            )
            each = MeanIoU(**SETTINGS, average="none")
            self.each = ClasswiseWrapper(each, labels=["a", "b", "c"], prefix="val/iou_")

        def validation_step(self, batch, index):
            self.several.update(*self.predict(batch))
            self.each.update(*self.predict(batch))
            self.log_dict(self.several)

        def on_validation_epoch_end(self):
            self.log_dict(self.each.compute())
            self.each.reset()

    trainer = trainer_in(tmp_path)
    for indices in (range(5), range(5, 8)):
        trainer.validate(Several(), loader(indices), verbose=False)
        assert logged(trainer, "val/mean").item() == exact(indices).item()
        assert logged(trainer, "val/micro").item() == exact(indices, average="micro").item()
        each = [logged(trainer, f"val/iou_{name}") for name in "abc"]
        assert torch.equal(torch.stack(each), exact(indices, average="none"))


def label_maps(index):
    """Scores and labels ``[3, 8, 9]`` of the image with this index; the scores are the same in bfloat16."""
    preds, target = maps(index)
    planes = torch.nn.functional.one_hot(preds, 3).movedim(-1, 0).double()
    scores = (planes + planes.roll(1, 0) / 2) * (1 + index % 4) / 4
    void = (target == 255).expand(3, -1, -1)
    return scores, torch.nn.functional.one_hot(target % 3, 3).movedim(-1, 0).masked_fill(void, 255)


class Labels(LightningModule):
    """Logs the mean IoU of labels that overlap, and of a curve the best threshold, its IoU and the area."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.mean = MultilabelMeanIoU(3, threshold=0.25, ignore_index=255)
        self.curve = IoUCurve(3, thresholds=[0.25, 0.5, 0.75], ignore_index=255)

    def validation_step(self, batch, index):
        scores, target = (torch.stack(side) for side in zip(*(label_maps(int(i)) for i in batch), strict=True))
        scores = self.weight * scores.to(self.weight.dtype)
        self.mean.update(scores, target)
        self.curve.update(scores, target)
        self.log("val/mean", self.mean)

    def on_validation_epoch_end(self):
        best = self.curve.best(common=True)
        self.log_dict({"val/threshold": best.threshold, "val/best": best.iou, "val/area": self.curve.area().mean()})
        self.curve.reset()


@pytest.mark.parametrize("precision", ["32-true", "bf16-true", "16-true", "64-true"])
def test_labels_that_overlap_are_logged_exactly(tmp_path, precision):
    trainer, model = trainer_in(tmp_path, precision=precision), Labels()
    for indices in (range(11), range(11, 14)):
        trainer.validate(model, loader(indices), verbose=False)
        expected = Labels()
        for scores, target in map(label_maps, indices):
            expected.mean.update(scores[None], target[None])
            expected.curve.update(scores[None], target[None])
        best = expected.curve.best(common=True)
        assert 0.25 < best.iou < 1
        assert logged(trainer, "val/mean").item() == expected.mean.compute().item()
        assert logged(trainer, "val/best").item() == best.iou.item()
        assert logged(trainer, "val/threshold").item() == best.threshold.item()
        assert logged(trainer, "val/area").item() == pytest.approx(expected.curve.area().mean().item(), rel=1e-6)
        assert model.mean.counts.dtype == model.curve.counts.dtype == torch.int64


class Reporting(Segmenter):
    """Logs all numbers of the report and the metric, whose value Lightning computes itself."""

    def on_validation_epoch_end(self):
        super().on_validation_epoch_end()
        self.log_dict(self.metric.report(class_groups={"some": [0, 1]}).scalars(prefix="val/"), sync_dist=True)


def scalars_of(indices):
    metric = MeanIoU(**SETTINGS)
    preds, target = (list(side) for side in zip(*(maps(i) for i in indices), strict=True))
    metric.update(preds, target)
    return metric.report(class_groups={"some": [0, 1]}).scalars(prefix="val/")


def test_scalars_of_the_report(tmp_path):
    trainer, model = trainer_in(tmp_path), Reporting()
    for indices in (range(5), range(5, 9)):
        trainer.validate(model, loader(indices), verbose=False)
        expected = scalars_of(indices)
        assert set(trainer.callback_metrics) == {"val/miou", *expected}
        assert {name: logged(trainer, name).item() for name in expected} == pytest.approx(expected, rel=1e-6)
        assert logged(trainer).item() == exact(indices).item()


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended:UserWarning")
def test_resume_in_the_middle_of_an_epoch(tmp_path, persistent):
    """Three of five batches, a checkpoint, and a new model for the other two."""

    class Resumed(LightningModule):
        configure_optimizers, predict = Segmenter.configure_optimizers, Segmenter.predict

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))
            self.metric = MeanIoU(**SETTINGS)
            self.metric.persistent(persistent)
            self.seen = []

        def training_step(self, batch, index):
            self.seen.append(index)
            scores, target = self.predict([2 * index, 2 * index + 1])
            self.metric(scores, target)
            self.log("train/miou", self.metric, on_step=False, on_epoch=True)
            return scores.mean()

    class Save(Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, index):
            if index == 2:
                trainer.save_checkpoint(tmp_path / "middle.ckpt")

    whole, rest = (trainer_in(tmp_path, max_epochs=1, callbacks=callbacks) for callbacks in ([Save()], []))
    whole.fit(Resumed(), loader(range(10)))
    assert logged(whole, "train/miou").item() == exact(range(10)).item()
    model = Resumed()
    rest.fit(model, loader(range(10)), ckpt_path=tmp_path / "middle.ckpt")
    assert model.seen == [3, 4]
    assert logged(rest, "train/miou").item() == exact(range(0 if persistent else 6, 10)).item()


# -------------------------------------------------------------------------------------------------------- two processes

IMAGES = range(9)  # shares of five and four: three batches and two


def validate_in_two_processes(folder):
    class Shared(Reporting):
        def val_dataloader(self):
            images = [torch.tensor(i) for i in IMAGES]
            return DataLoader(images, batch_size=2, sampler=UnpaddedSampler(images, shuffle=False))

    trainer = Trainer(default_root_dir=folder, devices=2, strategy="ddp", use_distributed_sampler=False, **QUIET)
    model = Shared()
    trainer.validate(model, verbose=False)
    Path(folder, f"rank{trainer.global_rank}").write_text(f"{logged(trainer).item()!r} {model.epochs}")
    scalars = {name: value.item() for name, value in trainer.callback_metrics.items() if name != "val/miou"}
    Path(folder, f"scalars{trainer.global_rank}").write_text(json.dumps(scalars))
    group = weakref.ref(torch.distributed.group.WORLD)
    torch.distributed.destroy_process_group()
    assert group() is None, "the group outlives destroy_process_group, see support/launch.py"


@pytest.mark.slow
def test_two_processes_log_the_number_of_the_whole_set(tmp_path):
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("MASTER_", "LOCAL_RANK", "NODE_RANK", "WORLD"))
    }
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    expected = exact(IMAGES).item()
    texts = [(tmp_path / f"rank{rank}").read_text() for rank in range(2)]
    assert texts == [f"{expected!r} [3]", f"{expected!r} [2]"]
    for rank in range(2):
        scalars = json.loads((tmp_path / f"scalars{rank}").read_text())
        assert scalars == pytest.approx(scalars_of(IMAGES), rel=1e-6)


if __name__ == "__main__":
    validate_in_two_processes(sys.argv[1])
