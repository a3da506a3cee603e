"""Fitted estimators as bytes: the same for the same, and nothing else is read."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ferbench import UserError
from ferbench.bounded import Damaged
from ferbench.estimators.stored import from_bytes, to_bytes

GENERATOR = np.random.default_rng(0)
LABELS = np.arange(90) % 3
IMAGES = (GENERATOR.random((90, 12)) + LABELS[:, None]).astype(np.float32)


def estimators():
    calibrated = CalibratedClassifierCV(SVC(), method="temperature", cv=2, ensemble=False)
    return {
        "svm": make_pipeline(StandardScaler(), calibrated),
        "forest": RandomForestClassifier(5, random_state=0, n_jobs=3),
        "boosting": HistGradientBoostingClassifier(max_iter=3, random_state=0),
        "logistic": LogisticRegression(),
    }


@pytest.fixture(scope="module")
def fitted():
    return {name: estimator.fit(IMAGES, LABELS) for name, estimator in estimators().items()}


@pytest.mark.parametrize("name", estimators())
def test_what_is_read_predicts_the_same_to_the_bit(fitted, name):
    restored = from_bytes(to_bytes(fitted[name]), estimators()[name])
    assert np.array_equal(restored.predict_proba(IMAGES), fitted[name].predict_proba(IMAGES))


@pytest.mark.parametrize("name", estimators())
def test_the_same_fit_is_the_same_bytes(fitted, name):
    again = estimators()[name].fit(IMAGES, LABELS)
    assert to_bytes(again) == to_bytes(fitted[name])


def test_a_function_is_refused_by_name():
    with pytest.raises(UserError, match="cannot be kept without pickle"):
        to_bytes(CalibratedClassifierCV(SVC(kernel=lambda a, b: a @ b.T)))


class Own(BaseEstimator):
    pass


def test_a_class_of_somebody_is_refused_until_it_is_named():
    with pytest.raises(UserError, match=r"Own.*"):
        to_bytes(Own())
    name = f"{Own.__module__}.Own"
    assert isinstance(from_bytes(to_bytes(Own(), [name]), Own(), [name]), Own)


def test_a_file_with_other_options_than_the_run_has_is_refused(fitted):
    content = to_bytes(fitted["logistic"])
    with pytest.raises(Damaged, match="another C than the options of the run"):
        from_bytes(content, LogisticRegression(C=2.0))
    with pytest.raises(Damaged, match="holds a LogisticRegression, not a SVC"):
        from_bytes(content, SVC())


def test_workers_are_none_of_the_files(fitted):
    assert from_bytes(to_bytes(fitted["forest"]), estimators()["forest"]).n_jobs is None


def changed(content: bytes, change, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The archive with each member as ``change(name, bytes)`` has it."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return made.getvalue()


def arrays_changed(content: bytes, change) -> bytes:
    def rewrite(name: str, held: bytes) -> bytes:
        if not name.endswith(".npy"):
            return held
        array, file = np.load(io.BytesIO(held)), io.BytesIO()
        np.save(file, change(array.copy()))
        return file.getvalue()

    return changed(content, rewrite)


def test_a_compressed_archive_is_refused(fitted):
    content = changed(to_bytes(fitted["logistic"]), lambda _, held: held, zipfile.ZIP_DEFLATED)
    with pytest.raises(Damaged, match="compressed"):
        from_bytes(content, LogisticRegression())


def test_an_array_of_other_bytes_than_it_says_is_refused(fitted):
    content = changed(to_bytes(fitted["logistic"]), lambda name, held: held[:-8] if ".npy" in name else held)
    with pytest.raises(Damaged, match="other bytes than its header says"):
        from_bytes(content, LogisticRegression())


@pytest.mark.parametrize("end", [0, 10, 1000, -1])
def test_a_cut_file_is_refused(fitted, end):
    with pytest.raises(Damaged):
        from_bytes(to_bytes(fitted["logistic"])[:end], LogisticRegression())


def test_a_tree_that_leads_out_of_its_arrays_is_refused(fitted):
    """Followed, it would end the process: scikit-learn looks at no index."""

    def astray(array):
        if array.dtype.names and "left_child" in array.dtype.names:
            array["left_child"][0] = 10**9
        return array

    with pytest.raises(Damaged, match="nodes that lead nowhere"):
        from_bytes(arrays_changed(to_bytes(fitted["forest"]), astray), estimators()["forest"])


def test_a_tree_that_goes_round_in_a_circle_is_refused(fitted):
    def circle(array):
        if array.dtype.names and "left" in array.dtype.names:
            array["left"][0] = 0
        return array

    with pytest.raises(Damaged, match="nodes that lead nowhere"):
        from_bytes(arrays_changed(to_bytes(fitted["boosting"]), circle), estimators()["boosting"])


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("forest", ("feature", "left_child"), "a feature that there is not"),
        ("boosting", ("feature_idx", "left"), "of other images"),
    ],
)
def test_a_tree_that_asks_for_a_feature_there_is_not_is_refused(fitted, name, fields, message):
    def beyond(array):
        if array.dtype.names and fields[1] in array.dtype.names:
            array[fields[0]][0] = 10**6
        return array

    with pytest.raises(Damaged, match=message):
        from_bytes(arrays_changed(to_bytes(fitted[name]), beyond), estimators()[name])


def test_support_vectors_that_are_too_few_are_refused(fitted):
    def fewer(array):
        return array[:-1] if array.ndim == 2 and array.dtype == np.float64 and len(array) > 12 else array

    with pytest.raises(Damaged, match="support vectors do not fit"):
        from_bytes(arrays_changed(to_bytes(fitted["svm"]), fewer), estimators()["svm"])


def test_a_class_that_is_not_trusted_is_refused_before_it_is_made(fitted):
    def other(name: str, held: bytes) -> bytes:
        if name != "schema.json":
            return held
        schema = json.loads(held)
        schema["__module__"], schema["__class__"] = "subprocess", "Popen"
        return json.dumps(schema).encode()

    with pytest.raises(Damaged, match=r"subprocess\.Popen"):
        from_bytes(changed(to_bytes(fitted["logistic"]), other), LogisticRegression())
