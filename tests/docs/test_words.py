"""One term for one thing, in everything that users and contributors read."""

import re
from pathlib import Path

import pytest
from support.documents import ROOT

TEXTS = [
    *sorted((ROOT / "src").rglob("*.py")),
    *sorted((ROOT / "src").rglob("*.md")),
    *sorted((ROOT / "src").rglob("*.html")),
    ROOT / "README.md",
    ROOT / ".github" / "CONTRIBUTING.md",
]
# Words that read as riddles, and the terms of the field for them.
TERMS = {
    r"no answer|unanswered|giv(es?|ing) an answer": "void prediction",
    r"drawn again|draws? (the )?images": "resampled",
    r"(?<!ground )\btruths\b": "ground truth",
    r"\b(is|are) (told|said)\b": "an active verb",
    r"how sure": "confidence interval",
    r"multi-label|non-exclusive": "labels that overlap, or multilabel in names",
    r"\bcut-?offs?\b|operating point": "threshold",
}


def riddles(text: str) -> list[str]:
    """The words of a text that have a better term."""
    return [f"{m[0]!r}: {term}" for words, term in TERMS.items() for m in re.finditer(words, text, re.I)]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_texts_use_the_terms_of_the_field(path: Path) -> None:
    assert riddles(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "No answer is a miss.",
        "Images are drawn again.",
        "The truths differ.",
        "A warning is told.",
        "How sure?",
        "A multi-label map.",
        "The best cutoff.",
    ],
)
def test_a_riddle_is_noticed(text: str) -> None:
    assert riddles(text)
    assert not riddles("A void prediction of the ground truth; the tool draws a plot, as the text said.")
    assert not riddles("`MultilabelMeanIoU` scores labels that overlap; the maps are cut off.")
