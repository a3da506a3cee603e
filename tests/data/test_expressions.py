"""One spelling for expressions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.data.expressions import BASIC, EXPRESSIONS, expression_named, spelling


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pain", "Pain"),
        ("caf\u00e9", "cafe\u0301"),  # composed, and decomposed as file systems of Macs have it
        ("pain", "pa\u200bin"),  # a zero-width space
        ("pain", "pain\ufeff"),
        ("pain", "\u00a0pain "),  # a no-break space
        ("no pain", "no\u00a0 pain"),
        ("pain", "\uff30\uff41\uff49\uff4e"),  # full-width letters
        ("stra\u00dfe", "STRASSE"),
        ("3", "03"),
        ("3", "3.0"),
        ("0.5", ".5"),
        ("0", "-0.0"),
        ("3", "+3."),
        ("0.5", "00.50"),
    ],
)
def test_what_is_easily_overlooked_is_no_other_spelling(one, other):
    assert spelling(one) == spelling(other)


@pytest.mark.parametrize(
    ("one", "other"), [("3", "30"), ("3", "-3"), ("3", "3.01"), ("0", "00.1"), ("happy", "happiness"), ("a-b", "a b")]
)
def test_what_is_seen_is_another_spelling(one, other):
    assert spelling(one) != spelling(other)


@given(st.text(max_size=20))
def test_a_spelling_is_its_own(name):
    assert spelling(spelling(name)) == spelling(name)
