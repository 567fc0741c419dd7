"""Operators carry the whole specification of a count; an error about labels has plain fields and one explanation."""

import pickle
from dataclasses import fields, replace

import pytest
import torch

from meaniou import LabelSpace, confusion_matrix
from meaniou.counting import LabelRangeError, explain
from meaniou.counting.kernels.label_table import bins_of_ids
from meaniou.counting.kernels.spec import CountSpec, ThresholdSpec, schema, unpack
from meaniou.settings import ThresholdSettings

SPACE = LabelSpace(2, ids=[7, (11, 2**40)], ignore_index=-1)
SPEC = CountSpec(
    "labels", "scores", 2, (3, -1), 0.25, False, "portable", SPACE.tables.target_ids, SPACE.tables.preds_ids
)
THRESHOLDS = ThresholdSpec("0.25 0.1 1e-320", True, True, (3, -1), True, False, "portable")


@pytest.mark.parametrize(
    ("name", "kind", "without_defaults"),
    [
        ("count", CountSpec, ["labels", "labels", 2]),
        ("count_images", CountSpec, ["labels", "labels", 2]),
        ("count_thresholds", ThresholdSpec, []),
    ],
)
def test_the_arguments_of_an_operator_are_the_fields(name, kind, without_defaults):
    schema = getattr(torch.ops.meaniou, name).default._schema
    arguments = [argument.name for argument in schema.arguments]
    assert arguments == ["preds", "target", "valid", *kind._fields]
    defaults = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    assert kind(*without_defaults) == unpack(kind, [*without_defaults, *defaults.values()])


@pytest.mark.parametrize("spec", [SPEC, THRESHOLDS], ids=["count", "count_thresholds"])
def test_what_an_operator_carries_is_the_specification(spec):
    kind = type(spec)
    library = torch.library.Library(f"meaniou_test_{kind.__name__}", "DEF")
    library.define(f"echo({schema(kind)}) -> str")
    carried = []

    def echo(*arguments):
        carried.append(arguments)
        return repr(unpack(kind, arguments))

    library.impl("echo", echo, "CompositeExplicitAutograd")
    assert getattr(torch.ops, f"meaniou_test_{kind.__name__}").echo(*spec) == repr(spec)
    assert unpack(kind, *carried) == spec
    assert isinstance(unpack(kind, *carried).ignore, tuple)  # it is a key of cached tables


def test_thresholds_are_carried_as_text():
    """Text carries every number exactly, and of one threshold for each label there is one column."""
    assert THRESHOLDS.numbers == (0.25, 0.1, 1e-320)
    assert THRESHOLDS.number == 1
    assert THRESHOLDS._replace(per_label=False).number == 3
    assert ThresholdSpec().numbers == (0.5,)
    inputs = ThresholdSettings.of((-float("inf"), 1 / 3, 0.1 + 0.2, 1e-320, 1e300), False, None, True, "auto")
    assert ThresholdSpec(inputs.text).numbers == inputs.thresholds
    assert ThresholdSpec(inputs.text).number == inputs.number == 5


def test_ids_are_carried_as_text():
    assert bins_of_ids(SPEC.target_ids) == {-1: 2, 7: 0, 11: 1, 2**40: 1}
    assert bins_of_ids("") == {}


def test_an_error_about_labels_is_its_fields():
    target = torch.tensor([[7, 11], [9, 9]])
    with pytest.raises(LabelRangeError) as caught:
        confusion_matrix([target, target], [target.clamp(max=7), target], label_space=SPACE)
    error = caught.value
    expected = {"side": "preds", "number": 2, "label_space": SPACE, "index": (1, 0), "stored": (9,), "cause": ""}
    expected |= {"image": 0, "operand": ""}
    assert {field.name: getattr(error, field.name) for field in fields(error)} == expected
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.label_space, again.image) == (str(error), SPACE, 0)


def test_an_error_about_labels_is_explained_in_two_dialects():
    error = LabelRangeError("preds", 3, LabelSpace(2), (0, 1), (5,), "binary")
    for _ in range(2):  # explaining it changes nothing
        assert str(error) == explain(error, "python")
        assert all(fact in explain(error, "python") for fact in ("preds holds 3", "0 to 1", "index (0, 1): 5"))
        assert all(cure in str(error) for cure in ("preds > 0", "pred_void=5", "num_classes", "validate_args=False"))
        sentence = explain(error, "cli", "masks/a.png", "name all classes in names.txt")
        assert sentence.startswith("masks/a.png holds 3 pixels")
        assert all(cure in sentence for cure in ("ids 0 and 1", "--pred-void 5", "name all classes in names.txt"))
    assert str(replace(error, image=4)).startswith("Image at index 4: preds holds 3")
    assert "pass preds.long() > 0" in str(replace(error, operand="preds.long()"))
