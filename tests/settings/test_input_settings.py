"""Input settings: the values that they become, and an error for each wrong one."""

import math

import pytest
from support import assert_sentence

from meaniou.settings.input_settings import InputSettings


def test_input_settings():
    assert InputSettings.of("auto", 1, True, "auto") == InputSettings("auto", 1.0, True, "auto")
    assert InputSettings.of("index", math.inf, False, "cpu").threshold == math.inf
    assert type(InputSettings.of("auto", 0, True, "auto").threshold) is float


@pytest.mark.parametrize(
    ("settings", "kind", "parts"),
    [
        (("onehot", 0.5, True, "auto"), ValueError, ["input_format is 'onehot'", "'auto', 'index', 'one-hot'"]),
        ((None, 0.5, True, "auto"), ValueError, ["input_format is None"]),
        (("auto", "0.5", True, "auto"), TypeError, ["threshold is '0.5'", "number"]),
        (("auto", None, True, "auto"), TypeError, ["threshold is None"]),
        (("auto", math.nan, True, "auto"), TypeError, ["threshold is nan"]),
        (("auto", True, True, "auto"), TypeError, ["threshold is True"]),
        (("auto", 0.5, 1, "auto"), TypeError, ["validate_args is 1", "True or False"]),
        (("auto", 0.5, "no", "auto"), TypeError, ["validate_args is 'no'"]),
    ],
    ids=str,
)
def test_input_settings_that_are_wrong(settings, kind, parts):
    with pytest.raises(kind) as error:
        InputSettings.of(*settings)
    assert_sentence(error, *parts)
