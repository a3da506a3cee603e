from __future__ import annotations

import inspect
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from annotated_types import Ge, Interval

import ferbench
from ferbench_builtin.datasets.action_units import ACTION_UNITS, EXPRESSIONS, PROTOTYPES, affect
from ferbench_builtin.datasets.synthetic_faces import class_sequence, synthetic_faces

# I. J. Goodfellow et al., "Challenges in representation learning" (2013): FER2013's Training part.
FER2013_TRAINING = {
    "angry": 3995,
    "disgust": 436,
    "fear": 4097,
    "happy": 7215,
    "neutral": 4965,
    "sad": 4830,
    "surprise": 3171,
}


def samples(train: int = 20, test: int = 7, **options: Any) -> list[ferbench.Sample]:
    found = list(synthetic_faces(None, train=train, test=test, **options).samples())
    assert all(isinstance(sample, ferbench.Sample) for sample in found)
    return found  # type: ignore[return-value]


def pixels(found: Sequence[ferbench.Sample]) -> np.ndarray:
    return np.stack([np.asarray(sample.image) for sample in found])


def part(found: Sequence[ferbench.Sample], name: str) -> list[ferbench.Sample]:
    return [sample for sample in found if sample.part == name]


def facts(sample: ferbench.Sample) -> tuple[Any, ...]:
    return sample.id, sample.label, sample.valence, sample.arousal, sample.subject, sample.clip, sample.frame


@pytest.fixture(scope="module")
def crowd() -> list[ferbench.Sample]:
    return samples(train=600, test=200)


def test_dataset_declares_seven_classes_and_gray_images_of_its_size() -> None:
    dataset = synthetic_faces(None, size=32)
    assert dataset.class_names == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert dataset.channels == 1
    assert dataset.native_size == (32, 32)
    assert dataset.notes["synthetic"] is True


def test_ids_are_stable_and_unique(crowd: list[ferbench.Sample]) -> None:
    assert crowd[0].id == "train-000000"
    assert crowd[600].id == "test-000000"
    assert len({sample.id for sample in crowd}) == 800


def test_same_seed_gives_same_samples() -> None:
    first, second = samples(seed=3), samples(seed=3)
    assert [facts(a) for a in first] == [facts(b) for b in second]
    np.testing.assert_array_equal(pixels(first), pixels(second))


def test_another_seed_gives_other_pictures() -> None:
    first, second = pixels(samples(seed=3)), pixels(samples(seed=4))
    assert (first != second).any(axis=(1, 2)).all()


def test_train_and_test_show_different_pictures() -> None:
    found = samples(train=7, test=7)
    assert (pixels(found[:7]) != pixels(found[7:])).any(axis=(1, 2)).all()


@pytest.mark.parametrize("balance", ["fer2013", "uniform"])
def test_more_images_extend_the_part_and_change_none(balance: str) -> None:
    short, long = samples(train=50, balance=balance), samples(train=130, balance=balance)
    assert [facts(sample) for sample in short[:50]] == [facts(sample) for sample in long[:50]]
    np.testing.assert_array_equal(pixels(short[:50]), pixels(long[:50]))


def test_pictures_do_not_depend_on_the_chunk_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pixels(samples(train=40))
    monkeypatch.setattr("ferbench_builtin.datasets.synthetic_faces._CHUNK_PIXELS", 7 * 48 * 48)
    np.testing.assert_array_equal(whole, pixels(samples(train=40)))


def test_full_size_has_exactly_the_counts_of_fer2013() -> None:
    counts = np.bincount(class_sequence(28709, "fer2013"), minlength=7)
    assert dict(zip(EXPRESSIONS, counts.tolist(), strict=True)) == FER2013_TRAINING


@pytest.mark.parametrize("count", [100, 600, 1000, 4000])
def test_class_counts_are_the_rounded_proportions_of_fer2013(count: int) -> None:
    exact = count * np.array(list(FER2013_TRAINING.values())) / 28709
    assert np.abs(np.bincount(class_sequence(count, "fer2013"), minlength=7) - exact).max() < 1


@pytest.mark.parametrize("count", [7, 8, 35, 200])
def test_every_class_is_present_in_small_parts(count: int) -> None:
    assert set(class_sequence(count, "fer2013").tolist()) == set(range(7))


def test_uniform_balance_has_equal_counts() -> None:
    counts = Counter(sample.label for sample in part(samples(train=70, balance="uniform"), "train"))
    assert set(counts.values()) == {10}


def test_subjects_are_disjoint_between_parts(crowd: list[ferbench.Sample]) -> None:
    people = {name: {sample.subject for sample in part(crowd, name)} for name in ("train", "test")}
    assert None not in people["train"] | people["test"]
    assert not people["train"] & people["test"]


def test_subjects_show_several_expressions(crowd: list[ferbench.Sample]) -> None:
    shown = defaultdict(set)
    for sample in crowd:
        shown[sample.subject].add(sample.label)
    assert min(map(len, shown.values())) >= 3


def test_valence_and_arousal_lie_in_the_unit_disc(crowd: list[ferbench.Sample]) -> None:
    positions = np.array([(sample.valence, sample.arousal) for sample in crowd], dtype=float)
    assert np.hypot(*positions.T).max() <= 1 + 1e-9


def test_mean_valence_and_arousal_are_ordered_as_in_the_circumplex(crowd: list[ferbench.Sample]) -> None:
    valence, arousal = (
        {name: np.mean([getattr(s, axis) for s in crowd if s.label == name]) for name in EXPRESSIONS}
        for axis in ("valence", "arousal")
    )
    assert valence["happy"] > 0.3 > valence["neutral"] > valence["sad"]
    assert max(valence["angry"], valence["disgust"], valence["fear"], valence["sad"]) < -0.2
    assert min(arousal["angry"], arousal["fear"], arousal["surprise"]) > 0.2
    assert arousal["surprise"] > arousal["neutral"] > arousal["sad"]
    assert max(abs(valence["neutral"]), abs(arousal["neutral"])) < 0.1


def test_affect_grows_with_intensity_of_every_prototype() -> None:
    for name, units in PROTOTYPES.items():
        full = np.array([[float(unit in units) for unit in ACTION_UNITS]])
        strength = [float(np.hypot(*affect(full * share))[0]) for share in (0, 0.25, 0.5)]
        assert strength[0] == 0
        assert name == "neutral" or strength == sorted(set(strength))


@pytest.mark.parametrize("size", [16, 24, 48, 96])
def test_any_size_is_rendered(size: int) -> None:
    images = pixels(samples(train=7, size=size))
    assert images.shape == (14, size, size)
    assert images.dtype == np.uint8
    assert images.std(axis=(1, 2)).min() > 10


def test_a_face_is_the_same_at_every_size() -> None:
    small, large = (pixels(samples(train=7, size=size, noise=0.0)).astype(float) for size in (24, 96))
    shrunk = large.reshape(-1, 24, 4, 24, 4).mean(axis=(2, 4))
    assert np.abs(shrunk - small).mean() < 8


def test_still_pictures_have_no_clip() -> None:
    assert all(sample.clip is None and sample.frame is None for sample in samples())


@pytest.fixture(scope="module")
def clips() -> dict[str, list[ferbench.Sample]]:
    found = defaultdict(list)
    for sample in samples(train=30, test=7, frames=5):
        found[str(sample.clip)].append(sample)
    return dict(found)


def test_clips_name_their_frames(clips: dict[str, list[ferbench.Sample]]) -> None:
    assert len(clips) == 37
    clip = clips["train-000012"]
    assert [sample.id for sample in clip] == [f"train-000012-f0{frame}" for frame in range(5)]
    assert [sample.frame for sample in clip] == [0, 1, 2, 3, 4]


def test_a_clip_shows_one_subject_and_one_expression(clips: dict[str, list[ferbench.Sample]]) -> None:
    assert all(len({(sample.subject, sample.label) for sample in clip}) == 1 for clip in clips.values())


def test_expression_rises_from_rest_to_apex(clips: dict[str, list[ferbench.Sample]]) -> None:
    strength = np.array(
        [[np.hypot(float(s.valence or 0), float(s.arousal or 0)) for s in clip] for clip in clips.values()]
    ).mean(axis=0)
    assert strength[0] == 0
    assert (np.diff(strength) > 0).all()


def test_frames_of_one_clip_are_more_alike_than_clips(clips: dict[str, list[ferbench.Sample]]) -> None:
    images = np.stack([pixels(clip) for clip in clips.values()]).astype(float)
    within = np.abs(images[:, 1:] - images[:, :-1]).mean()
    between = np.abs(images[1:, 0] - images[:-1, 0]).mean()
    assert 0 < within < between / 3


def test_source_changes_with_every_option() -> None:
    changed: dict[str, Any] = {
        "size": 24, "train": 8, "test": 8, "seed": 1, "balance": "uniform", "frames": 2,
        "images_per_subject": 2, "weakest": 0.1, "identity": 0.1, "pose": 0.1, "light": 0.1, "noise": 0.1,
        "glasses": 0.9, "occlusion": 0.9,
    }  # fmt: skip
    options = set(inspect.signature(synthetic_faces).parameters) - {"path"}
    assert set(changed) == options, "give each option of synthetic_faces another value in this test"
    variants = [synthetic_faces(None)] + [synthetic_faces(None, **{k: v}) for k, v in changed.items()]
    stamps = {json.dumps(variant.source(), sort_keys=True) for variant in variants}
    assert len(stamps) == len(changed) + 1


def test_source_names_the_renderer_version() -> None:
    assert synthetic_faces(None).source()["renderer"] >= 1


@pytest.mark.parametrize("name", ["identity", "pose", "light", "noise", "glasses", "occlusion", "weakest"])
def test_every_knob_changes_the_pictures(name: str) -> None:
    low, high = (pixels(samples(7, 7, **{name: value})) for value in (0.0, 1.0))
    assert (low != high).any(axis=(1, 2)).mean() > 0.5


def test_a_path_is_refused() -> None:
    with pytest.raises(ferbench.UserError, match="reads no files"):
        synthetic_faces(Path("faces"))


@pytest.mark.parametrize("name", ["train", "test"])
def test_fewer_images_than_classes_are_refused(name: str) -> None:
    counts = {"train": 7, "test": 7, name: 6}
    with pytest.raises(ferbench.UserError, match=f"{name}=6"):
        synthetic_faces(None, train=counts["train"], test=counts["test"])


def test_every_number_option_is_bounded() -> None:
    hints = get_type_hints(synthetic_faces, include_extras=True)
    numbers = {name: hint for name, hint in hints.items() if name not in ("path", "balance", "return")}
    assert len(numbers) == 13
    for name, hint in numbers.items():
        assert any(isinstance(bound, Ge | Interval) for bound in hint.__metadata__), name


def test_linear_model_is_above_chance_but_weak(crowd: list[ferbench.Sample]) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x = (pixels(crowd).reshape(len(crowd), -1) / 255 - 0.5) / 0.25
    y = np.array([sample.label for sample in crowd])
    model = linear_model.RidgeClassifier(alpha=1e4).fit(x[:600], y[:600])
    majority = np.mean(y[600:] == "happy")
    assert majority + 0.03 < model.score(x[600:], y[600:]) < 0.6


def test_it_says_how_many_images_it_has() -> None:
    for options in ({}, {"frames": 3}):
        dataset = synthetic_faces(None, train=20, test=7, **options)
        assert dataset.least_count == len(list(dataset.samples()))
    assert synthetic_faces(None, train=10**12).least_count == 10**12 + 1000
