"""One spelling for expressions."""

import pytest

from ferbench.data.expressions import BASIC, EXPRESSIONS, expression_named


@pytest.mark.parametrize(
    ("written", "expression"),
    [
        ("Anger", "angry"),
        ("happiness", "happy"),
        (" SADNESS ", "sad"),
        ("surprised", "surprise"),
        ("afraid", "fear"),
        ("disgusted", "disgust"),
        ("neutral", "neutral"),
        ("Contempt", "contempt"),
        ("joy", "happy"),
        ("Scared", "fear"),
        ("mad", "angry"),
        ("surprising", "surprise"),
        ("smile", None),
        ("normal", None),
        ("bored", None),
        ("5", None),
    ],
)
def test_datasets_words_are_brought_to_one_spelling(written: str, expression: str | None) -> None:
    assert expression_named(written) == expression


def test_classes_are_sorted_and_basic_ones_lack_contempt() -> None:
    assert list(EXPRESSIONS) == sorted(EXPRESSIONS)
    assert set(EXPRESSIONS) - set(BASIC) == {"contempt"}
