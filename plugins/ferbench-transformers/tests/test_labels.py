import pytest

from ferbench import UserError
from ferbench_transformers.labels import rows_of_classes

LABELS = {0: "Sad", 1: "disgust", 2: "ANGER", 3: "neutral", 4: "fear", 5: "surprised", 6: "happiness"}


def rows(classes, labels=LABELS, new=False):
    return rows_of_classes(classes, labels, new_classes=new, checkpoint="checkpoint x")


def test_classes_are_matched_by_name_whatever_the_order():
    assert rows(["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]) == [2, 1, 4, 6, 3, 0, 5]


def test_words_for_expressions_are_those_of_datasets_and_a_few_more():
    labels = dict(enumerate(("mad", "Disgusted", "scared", "smile", "normal", "sadness", "surprising", "contemptuous")))
    classes = ["contempt", "angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    assert rows(classes, labels) == [7, 0, 1, 2, 3, 4, 5, 6]


def test_a_task_may_have_fewer_classes():
    assert rows(["happy", "sad"]) == [6, 0]


def test_a_class_without_a_label_is_refused_with_both_sides():
    with pytest.raises(UserError, match=r"no label for contempt; its labels: Sad, disgust.*classes: happy, contempt"):
        rows(["happy", "contempt"])


def test_a_class_without_a_label_is_new_if_that_is_allowed():
    assert rows(["happy", "contempt"], new=True) == [6, None]


def test_labels_without_names_match_nothing():
    with pytest.raises(UserError, match="LABEL_0"):
        rows(["happy"], {0: "LABEL_0", 1: "LABEL_1"})


def test_the_same_name_wins_over_a_synonym():
    assert rows(["joy", "happy"], {0: "happy", 1: "joy"}) == [1, 0]


def test_two_synonyms_for_one_class_are_refused():
    with pytest.raises(UserError, match="'joy' and 'happiness' both stand for the class 'happy'"):
        rows(["happy"], {0: "joy", 1: "happiness"})


def test_a_label_of_the_same_spelling_wins_over_one_in_another_case():
    assert rows(["HAPPY", "Happy"], {0: "Happy", 1: "HAPPY"}) == [1, 0]


def test_one_label_for_two_classes_is_refused():
    with pytest.raises(UserError, match="its label 'happy' stands for the classes 'joy' and 'happiness' alike"):
        rows(["joy", "happiness"], {0: "happy", 1: "sad"})
