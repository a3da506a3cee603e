"""Fitted estimators as bytes, and back: a file of ``skops.io``, read as if anybody had made it.

The same estimator is the same bytes: skops numbers objects by where they lie in memory, which is counted anew here.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ferbench import bounded
from ferbench.bounded import Damaged
from ferbench.errors import UserError
from ferbench.plugin.faults import describe
from ferbench.wording import one_line

_SCHEMA = "schema.json"

#: Of all members of an archive, so that the bytes do not depend on the clock.
_LONG_AGO = (1980, 1, 1, 0, 0, 0)

#: Parts of scikit-learn's estimators that are plain Python, and that skops does not know.
_PARTS = ("sklearn.calibration._CalibratedClassifier", "sklearn.calibration._TemperatureScaling")

#: What skops trusts nobody with, since scikit-learn follows the indices in it unchecked; `_refuse_astray` checks them.
_CHECKED = ("sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")


def to_bytes(estimator: Any, trusted: Sequence[str] = ()) -> bytes:
    """An estimator as a file of skops, the same bytes for the same estimator.

    Args:
        estimator: fitted or not.
        trusted: full names of classes beside scikit-learn's that it may hold objects of.

    Raises:
        UserError: it holds something that cannot be kept without pickle, or that nothing vouches for.
    """
    import skops.io

    try:
        content = _renumbered(skops.io.dumps(estimator))
        from_bytes(content, estimator, trusted)
    except Exception as error:  # skops and what it asks objects for fail in a dozen ways
        said = str(error) if isinstance(error, Damaged) else describe(error)
        raise UserError(
            f"what is fitted cannot be kept without pickle: {one_line(said)[:300]}",
            "build it of scikit-learn's own parts, and name classes of your own in EstimatorSpec(trusted=…)",
        ) from error
    return content


def from_bytes(content: bytes, built: Any, trusted: Sequence[str] = ()) -> Any:
    """The estimator of a file of skops.

    Args:
        content: of the file.
        built: the estimator as its builder gives it; what the file holds must be of its class and have its options.
        trusted: as in `to_bytes`.

    Raises:
        Damaged: it is no such file, holds what is not trusted, or would lead scikit-learn astray.
    """
    import skops.io

    _refuse_packed(content)
    try:
        found = skops.io.loads(content, trusted=[*_CHECKED, *_PARTS, *trusted])
        _refuse_another(found, built)
        for one in _within(found):
            _refuse_astray(one)
    except Damaged:
        raise
    except Exception as error:
        raise Damaged(f"it holds no estimator: {one_line(str(error))[:300]}") from error
    return found


def _renumbered(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        numbers: dict[str, int] = {}
        files: dict[str, str] = {}
        for node in _nodes(schema):
            if "__id__" in node:
                node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers) + 1)
            if isinstance(name := node.get("file"), str):
                stem, _, suffix = name.rpartition(".")
                node["file"] = files.setdefault(name, f"{numbers.setdefault(stem, len(numbers) + 1)}.{suffix}")
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as renumbered:
            for name, new in files.items():
                renumbered.writestr(zipfile.ZipInfo(new, _LONG_AGO), archive.read(name))
            renumbered.writestr(zipfile.ZipInfo(_SCHEMA, _LONG_AGO), json.dumps(schema))
    return made.getvalue()


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "__class__" in value:
            yield value
        for below in value.values():
            yield from _nodes(below)
    elif isinstance(value, list):
        for below in value:
            yield from _nodes(below)


def _refuse_packed(content: bytes) -> None:
    """Refuse an archive that holds more than its own bytes, or anything but a schema and plain arrays."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise Damaged("its members are compressed")
            if sum(member.file_size for member in members) > len(content):
                raise Damaged("it unpacks to more than it has")
            for member in members:
                if member.filename == _SCHEMA:
                    bounded.from_json(archive.read(member))
                else:
                    bounded.array(archive.read(member))
    except Damaged:
        raise
    except Exception as error:  # archives fail in a dozen ways
        raise Damaged(f"it is no archive of an estimator: {error}") from error


def _refuse_another(found: Any, built: Any) -> None:
    """Refuse an estimator of another class or other options than those of the run."""
    if type(found) is not type(built):
        raise Damaged(f"it holds a {type(found).__name__}, not a {type(built).__name__}")
    theirs, ours = ({k: _plain(v) for k, v in one.get_params().items()} for one in (found, built))
    if theirs != ours:
        unlike = next(key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key))
        raise Damaged(f"it holds another {unlike} than the options of the run")


def _plain(value: Any) -> Any:
    """What two values of an option are compared by."""
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return type(value)


def _within(root: Any) -> Iterator[Any]:
    """All that an estimator consists of, itself among it."""
    seen: set[int] = set()
    left = [root]
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type | None):
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, np.ndarray):
            left += one.ravel().tolist() if one.dtype == object else []
        elif isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list | tuple | set):
            left += one
        else:
            left += getattr(one, "__dict__", {}).values()


def _refuse_astray(one: Any) -> None:
    """Refuse what would lead code that is compiled and checks nothing out of its arrays, or round in circles."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.svm._base import BaseLibSVM
    from sklearn.tree._tree import Tree

    if isinstance(one, Tree):
        inner = one.children_left != -1
        _refuse_lost(inner, one.children_left, one.children_right, one.feature, one.n_features)
    elif isinstance(one, TreePredictor):
        nodes = one.nodes
        if nodes["is_categorical"].any():
            raise Damaged("it holds trees over categories")
        _refuse_lost(nodes["is_leaf"] == 0, nodes["left"], nodes["right"], nodes["feature_idx"], 2**31)
    elif isinstance(one, BaseLibSVM) and hasattr(one, "support_vectors_"):
        k, n = len(one.classes_), len(one.support_vectors_)
        shapes = [
            (one._n_support.shape, (k,)),
            (one.support_.shape, (n,)),
            (one.support_vectors_.shape, (n, one.shape_fit_[1])),
            (one._dual_coef_.shape, (k - 1, n)),
            (one._intercept_.shape, (k * (k - 1) // 2,)),
        ]
        if any(found != wanted for found, wanted in shapes) or one._sparse or one._n_support.min() < 0:
            raise Damaged("its support vectors do not fit together")
        if int(one._n_support.astype(np.int64).sum()) != n:
            raise Damaged("it counts other support vectors than it has")
    if (features := getattr(one, "n_features_in_", None)) is not None:
        for below in _trees_of(one):
            if isinstance(below, Tree) and below.n_features != features:
                raise Damaged("its trees are of other images")
            if isinstance(below, TreePredictor):
                split = below.nodes["feature_idx"][below.nodes["is_leaf"] == 0]
                if len(split) and split.max() >= features:
                    raise Damaged("its trees are of other images")
    if getattr(one, "n_jobs", None) is not None:
        one.n_jobs = None


def _trees_of(one: Any) -> Iterator[Any]:
    """The trees that an estimator gives its own features to."""
    held = vars(one)
    several = np.asarray(held.get("estimators_", ()), dtype=object).ravel()
    yield from (getattr(tree, "tree_", None) for tree in several)
    yield held.get("tree_")
    yield from itertools.chain.from_iterable(held.get("_predictors", ()))


def _refuse_lost(inner: Any, left: Any, right: Any, feature: Any, features: int) -> None:
    """Refuse a tree with a child that is not there or is no later node, or a feature that there is not."""
    own = np.arange(len(left))[inner]
    for child in (left[inner].astype(np.int64), right[inner].astype(np.int64)):
        if (child <= own).any() or (child >= len(left)).any():
            raise Damaged("a tree of it has nodes that lead nowhere")
    if (feature[inner] < 0).any() or (feature[inner] >= features).any():
        raise Damaged("a tree of it asks for a feature that there is not")
