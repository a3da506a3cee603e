"""Maps of a run's features, made once and kept in the cache beside the packs."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ferbench.bounded import Damaged, read_arrays
from ferbench.errors import UserError
from ferbench.ids import digest
from ferbench.report.feature_map import FeatureMap
from ferbench.runs.predictions import texts
from ferbench.storage import replace_file

if TYPE_CHECKING:
    from ferbench.data.pack import Pack
    from ferbench.plugin.discovery import Registry
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Run as RunRecord
    from ferbench.runs.directory import RunDirectory

METHODS = ("tsne", "pca")

#: Rises when the same features come to stand elsewhere.
_VERSION = 1


def feature_map(
    directory: RunDirectory,
    evaluation: str,
    method: Literal["tsne", "pca"],
    seed: int,
    cache: Path,
    registry: Registry,
    *,
    device: str = "auto",
    say: Callable[[str], None] = lambda line: None,
) -> FeatureMap:
    """Where the samples of an evaluation stand by the features of the run's model.

    What was made before is read again, unless weights, samples, pixels, the model's plugin, method or seed are others.

    Args:
        directory: of the run.
        evaluation: twelve digits of the id of one of the run's own evaluations.
        method: ``tsne`` or ``pca``.
        seed: of what is random in it.
        cache: where packed datasets and maps are kept.
        registry: has the model.
        device: where the model runs.
        say: is told what was computed, and how long it took.

    Raises:
        UserError: the run has no model to use, or one without features; or the images are not in the cache.
    """
    record = directory.load()
    from ferbench.experiment.trained import recorded_component
    from ferbench.plugin.specs import ModelSpec
    from ferbench.runs.saved import refuse_without_weights

    refuse_without_weights(directory, record)
    component = recorded_component(registry, "model", record.components["model"], directory.path.name).component
    if not isinstance(component.spec, ModelSpec) or "features" not in component.spec.gives:
        raise UserError(
            f"run {directory.path.name} has a model that gives no features: {component.name}",
            "leave it out; 'ferbench plugins show MODEL' says what a model gives",
        )
    entry = record.evaluations[evaluation]
    assert record.training is not None
    of = {
        "kind": "feature map",
        "version": _VERSION,
        "training": record.identity.training_id,
        "weights": record.training.weights_sha256,
        "plugin": component.source_hash(),
        "rows": entry.rows_digest,
        "pack": record.data.pack,
        "method": method,
        "seed": seed,
    }
    path = cache / "maps" / f"{digest(of).removeprefix('v1:')[:32]}.npz"
    try:
        arrays = read_arrays(path)
        return FeatureMap(method, seed, texts(arrays["ids"], "ids"), _places(arrays))
    except (OSError, Damaged, KeyError, ValueError):  # it is made again
        pass
    made = _made(directory, record, entry, evaluation, method, seed, cache, registry, device, say)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, ids=made.ids, places=made.places)
    replace_file(path, buffer.getvalue())
    return made


def _places(arrays: dict[str, Any]) -> Any:
    places = arrays["places"]
    if places.dtype.kind != "f" or places.shape != (len(arrays["ids"]), 2) or not np.isfinite(places).all():
        raise ValueError("no places of samples")
    return places


def _made(
    directory: RunDirectory,
    record: RunRecord,
    entry: EvaluationEntry,
    evaluation: str,
    method: Literal["tsne", "pca"],
    seed: int,
    cache: Path,
    registry: Registry,
    device: str,
    say: Callable[[str], None],
) -> FeatureMap:
    from ferbench.data.batches import Batches, Truth
    from ferbench.data.views import VIEWS
    from ferbench.plugin.culprit import using
    from ferbench.training.evaluation import evaluation_batch
    from ferbench.training.features import features_of
    from ferbench.training.layout import layout
    from ferbench.training.restore import restore
    from ferbench.training.runtime import choose_device, prepare

    given = directory.predictions(evaluation)
    pack = _cached_pack(directory, record, cache)
    places = {sample: place for place, sample in enumerate(pack.ids.tolist())}
    rows = np.array([places[sample] for sample in given.ids.tolist()], dtype=np.int64)
    pack.check(rows.tolist())
    chosen = choose_device(device)
    prepare(chosen, None, deterministic=True)
    trained = restore(directory, registry, chosen)
    begun = time.perf_counter()
    batches = Batches(pack.images, rows, Truth(np.zeros(len(rows), dtype=np.int64)), trained.shape, chosen)
    assert record.training is not None
    size = evaluation_batch(record.training.batch_size or 1, chosen)
    with using(trained.component):
        looked = features_of(trained.model, batches, size, VIEWS[entry.options.get("tta", "none")])
    laid = time.perf_counter()
    at = layout(looked.features, method, seed)
    say(
        f"map of {record.name or directory.path.name}: {looked.features.shape[1]:,} features of {len(rows):,} samples "
        f"in {laid - begun:.1f} s, {method} in {time.perf_counter() - laid:.1f} s"
    )
    return FeatureMap(method, seed, given.ids, at)


def _cached_pack(directory: RunDirectory, record: RunRecord, cache: Path) -> Pack:
    from ferbench.data.pack import open_pack
    from ferbench.data.pack_cache import directory_name

    path = cache / "packs" / directory_name(record.data.pack or "")
    if not record.data.pack or not path.is_dir():
        raise UserError(
            f"the images of run {directory.path.name} are not in the cache {cache}",
            "name the cache that it was trained with, or give the run's command again, which packs them",
        )
    return open_pack(path)
