"""What each id covers: one thing is changed at a time, and the ids that must change do, and no others.

The list in docs/explanation/identity.md says the same in words.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_packs import make_pack

from ferbench.data.fit import StoredForm
from ferbench.data.pack import Pack
from ferbench.experiment import fingerprint
from ferbench.experiment.plan import dataset_key, plan
from ferbench.experiment.recipe import Component, Recipe
from ferbench.experiment.resolve import ChosenComponent, ResolvedRecipe, resolve
from ferbench.experiment.start import Start
from ferbench.experiment.teacher import Teacher
from ferbench.kinds import IN_IDS, REQUIRED
from ferbench.plugin.discovery import load_registry
from ferbench.plugin.signature import Option
from ferbench.runs.directory import RunDirectory

CLASSES = ("angry", "happy", "sad")
COUNTS = {"train": dict.fromkeys(CLASSES, 20), "test": dict.fromkeys(CLASSES, 6)}

WEIGHTS = {"training", "config", "validation", "test"}
SEED = WEIGHTS - {"config"}
TEST = {"test", "test_digest"}
ROWS = WEIGHTS | TEST
NOTHING: set[str] = set()


@pytest.fixture(scope="module")
def registry():
    return load_registry(environ={"FERBENCH_PLUGINS": ""})


@pytest.fixture(scope="module")
def base(registry) -> ResolvedRecipe:
    return resolve({}, registry)


def pack(**columns: Any) -> Pack:
    made = make_pack(COUNTS, classes=CLASSES)
    subjects = np.array([sample.rpartition("-")[2] for sample in made.ids])
    return dataclasses.replace(made, **{"subject": subjects, **columns})


def ids(resolved: ResolvedRecipe, data: Pack | None = None, start: Start | None = None) -> dict[str, str | None]:
    made = plan(resolved, pack() if data is None else data, start)
    evaluations = {role: made.evaluation_id(role) for role in made.evaluation_rows()}
    found = {"training": made.training_id, "config": made.config_id, "test": None, **evaluations}
    return {**found, "test_digest": made.split.test_digest}


def changed(one: dict[str, str | None], other: dict[str, str | None]) -> set[str]:
    return {key for key in one if one[key] != other[key]}


# the fields of a recipe

EXCLUDED = "excluded.csv"

#: Another value for each field, and the ids that it must change.
FIELDS: dict[str, tuple[Any, set[str]]] = {
    "name": ("another", NOTHING),
    "trackers": ([], NOTHING),
    "data.path": ("elsewhere", NOTHING),
    "data.paths": ({"synthetic-faces": "elsewhere"}, NOTHING),
    "data.protocol": ("generated", NOTHING),  # a name for the same cut; others have a test of their own
    "data.classes": (["sad", "happy", "angry"], WEIGHTS),
    "data.num_classes": (3, NOTHING),
    "data.train_limit": (30, WEIGHTS),
    "data.train_limit_per_class": (10, WEIGHTS),
    "data.test_limit": (9, TEST),
    "data.test_limit_per_class": (3, TEST),
    "data.validation": (0.4, WEIGHTS),
    "data.fold": ("1/3", ROWS),
    "data.test_fold": ("1/3", ROWS),
    "data.group_by": ("none", WEIGHTS),
    "data.split_seed": (1, WEIGHTS),
    "data.image_size": (32, WEIGHTS),
    "data.channels": (3, WEIGHTS),
    "data.skip_faulty": (True, NOTHING),  # acts through the samples that the pack then lacks
    "data.exclude": (EXCLUDED, ROWS),
    "data.label_noise": (0.3, WEIGHTS),
    "data.noise_seed": (1, NOTHING),  # what it is the seed of, has a test of its own
    "training.epochs": (3, WEIGHTS),
    "training.batch_size": (7, WEIGHTS),
    "training.accumulate": (2, WEIGHTS),
    "training.seed": (1, SEED),
    "training.select": ("accuracy", WEIGHTS),
    "training.patience": (2, WEIGHTS),
    "training.min_gain": (0.1, WEIGHTS),
    "training.head_lr_factor": (2.0, WEIGHTS),
    "training.decay_all": (False, WEIGHTS),
    "training.loss_lr_factor": (2.0, WEIGHTS),
    "training.loss_decay": (False, WEIGHTS),
    "training.norm_batches": (1, WEIGHTS),
    "training.mixup": (0.2, WEIGHTS),
    "training.cutmix": (0.2, WEIGHTS),
    "training.mix_probability": (0.5, WEIGHTS),
    "training.clip_norm": (1.0, WEIGHTS),
    "training.start_size": (16, WEIGHTS),
    "training.growing": (0.5, WEIGHTS),
    "training.ema": (0.9, WEIGHTS),
    "training.precision": ("bf16", WEIGHTS),
    "training.deterministic": (False, WEIGHTS),
    "training.keep": ("all", NOTHING),
    "training.parameter_budget": (10**9, NOTHING),
    "evaluation.metrics": (["worst-subject-accuracy"], NOTHING),
    "evaluation.tta": ("flip", {"validation", "test"}),
    "runtime.device": ("cpu", NOTHING),
    "runtime.devices": (2, NOTHING),
    "runtime.threads": (1, NOTHING),
    "runtime.checkpoint_every": (7, NOTHING),
}


def fields_of_a_recipe() -> set[str]:
    found = set()
    for name, field in Recipe.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        if field.annotation is Component or name == "start":  # each has tests below
            continue
        found |= {name} if inner is None else {f"{name}.{key}" for key in inner}
    return found


def test_every_field_of_a_recipe_is_tried():
    """Add a new field to FIELDS, with the ids that it must change."""
    below = {
        "data.label_confusion",
        "data.test",
        "data.test_seed",
        "training.teacher",
        "training.teacher_decay",
    }  # which have tests there
    assert set(FIELDS) == fields_of_a_recipe() - below


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_changes_the_ids_that_it_must_and_no_others(field, registry, base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(EXCLUDED).write_text("id\ntrain-happy-0003\ntest-sad-0001\n")
    value, expected = FIELDS[field]
    section, _, key = field.rpartition(".")
    settings = {section: {key: value}} if section else {key: value}
    assert changed(ids(base), ids(resolve(settings, registry))) == expected


@pytest.mark.parametrize("more", [{"noise_seed": 1}, {"label_confusion": "confusion.csv"}], ids=["seed", "confusion"])
def test_how_labels_are_made_wrong_acts_through_the_labels(more, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{name},{','.join('1' if k == (place + 1) % 3 else '0' for k in range(3))}"
        for place, name in enumerate(CLASSES)
    ]
    Path("confusion.csv").write_text("\n".join([f"true,{','.join(CLASSES)}", *rows]))
    plain, other = (ids(resolve({"data": {"label_noise": 0.5, **fields}}, registry)) for fields in ({}, more))
    assert changed(plain, other) == WEIGHTS


def test_a_test_part_that_is_drawn_acts_through_the_rows_and_no_training_seed_draws_it_anew(registry):
    data = make_pack({"train": dict.fromkeys(CLASSES, 20)}, classes=CLASSES)

    def cut_by(seed: int = 0, **fields: Any) -> dict[str, str | None]:
        return ids(resolve({"data": {"test": 0.2, **fields}, "training": {"seed": seed}}, registry), data)

    assert changed(cut_by(), cut_by(seed=1)) == SEED
    assert changed(cut_by(), cut_by(split_seed=1)) == WEIGHTS
    assert changed(cut_by(), cut_by(test=0.4)) == changed(cut_by(), cut_by(test_seed=1)) == ROWS


def test_a_protocol_acts_through_the_rows_that_it_cuts(registry):
    parts = ("Training", "PublicTest", "PrivateTest")
    data = make_pack(dict.fromkeys(parts, dict.fromkeys(CLASSES, 6)), classes=CLASSES)

    def cut_by(protocol: str) -> dict[str, str | None]:
        settings = {"dataset": {"name": "fer2013"}, "data": {"protocol": protocol}}
        return ids(resolve(settings, registry), data)

    assert changed(cut_by("official"), cut_by("public-test")) == ROWS


# components

CANDIDATES: list[Any] = [
    -3.5,
    True,
    False,
    1,
    2,
    3,
    8,
    0.25,
    0.5,
    1.5,
    0.9,
    64,
    ".",
    "x",
    "happy",
    [1.0],
    [0.5, 0.7],
    [1, 2],
    ["x"],
]
CANDIDATES += [[1.0], ["x"], ["happy"], [8, 8, 8, 8], {"happy": 2.0}, {"x": "y"}, [[1.0, 2.0]], "resnet18", None]


def another(option: Option, valid: Callable[[Any], bool]) -> Any:
    """A value of an option that is not its default."""
    named = re.findall(r"'([^']*)'", option.type)
    for value in [*named, *([name] for name in named), *CANDIDATES]:
        if (option.required or value != option.default) and valid(value):
            return value
    raise AssertionError(f"no candidate suits option {option.name}: {option.type} {option.bounds}; add one")


def every_option(kinds: tuple[str, ...]) -> list[tuple[str, str, str]]:
    registry = load_registry(environ={"FERBENCH_PLUGINS": ""})
    return [
        (kind, component.name, option.name)
        for kind in kinds
        for component in registry.components(kind)
        for option in component.options().fields
    ]


def with_and_without(registry, kind: str, name: str, option_name: str) -> tuple[ChosenComponent, ChosenComponent]:
    component = registry.find(kind, name)
    schema = component.options()
    needed = {}

    def valid(name: str, value: Any) -> bool:
        try:
            schema.validate({**needed, name: value}, kind)
        except Exception:
            return False
        return True

    for option in schema.fields:
        if option.required and option.name != option_name:
            others = [one.name for one in schema.fields if one.required and one.name != option.name]
            assert not others, "components with several required options need a closer look"
            needed[option.name] = another(option, lambda value, option=option: valid(option.name, value))
    (option,) = [one for one in schema.fields if one.name == option_name]
    value = another(option, lambda value: valid(option_name, value))
    if option.required:
        needed = {option_name: value}
        value = another(dataclasses.replace(option, default=value, required=False), lambda one: valid(option_name, one))
    return (
        ChosenComponent(component, schema.validate(needed, kind)),
        ChosenComponent(component, schema.validate({**needed, option_name: value}, kind)),
    )


def training_and_config(base: ResolvedRecipe, section: str, described: dict[str, Any]) -> set[str]:
    """The ids with another component in a section, without planning anew for each of some 200 options."""
    components = {**{key: {} for key in IN_IDS}, section: described}
    identity = fingerprint.training_identity(base.recipe, components, {})
    return {fingerprint.training_id(identity), fingerprint.config_id(identity)}


def with_component(base: ResolvedRecipe, section: str, chosen: ChosenComponent) -> ResolvedRecipe:
    return dataclasses.replace(base, components={**base.components, section: chosen})


@pytest.mark.parametrize(("kind", "name", "option"), every_option(IN_IDS))
def test_every_option_of_every_component_changes_the_weights(kind, name, option, registry, base):
    one, other = (chosen.identify() for chosen in with_and_without(registry, kind, name, option))
    assert training_and_config(base, kind, one).isdisjoint(training_and_config(base, kind, other))


def test_an_option_that_was_added_is_in_no_id_at_its_default_and_recorded_nevertheless(registry):
    chosen = resolve({"model": {"name": "cnn4"}}, registry).components["model"]
    assert {"head", "head_scale"} <= chosen.describe().options.keys()
    assert {"head", "head_scale"}.isdisjoint(chosen.identify()["options"])
    cosine = resolve({"model": {"name": "cnn4", "head": "cosine"}}, registry).components["model"]
    assert cosine.identify()["options"]["head"] == "cosine"


@pytest.mark.parametrize(("kind", "name", "option"), every_option(("dataset",)))
def test_every_option_of_every_dataset_asks_for_a_pack_of_its_own(kind, name, option, registry, base):
    one, other = with_and_without(registry, kind, name, option)
    assert one.origin() != other.origin()
    assert dataset_key(with_component(base, kind, one)) != dataset_key(with_component(base, kind, other))


def of_plugin(chosen: ChosenComponent, **facts: Any) -> ChosenComponent:
    plugin = dataclasses.replace(chosen.component.plugin, **facts)
    return dataclasses.replace(chosen, component=dataclasses.replace(chosen.component, plugin=plugin))


@pytest.fixture(params=["distribution", "version", "source"])
def released_anew(request, monkeypatch) -> Callable[[ChosenComponent], ChosenComponent]:
    """The same component of another distribution, version or source."""
    if request.param != "source":
        return lambda chosen: of_plugin(chosen, **{request.param: "another"})

    def edited(chosen: ChosenComponent) -> ChosenComponent:
        other = of_plugin(chosen, digests={})
        monkeypatch.setattr(type(other.component.plugin), "source_of", lambda plugin, module="": str(plugin.digests))
        other.component.plugin.digests[()] = "edited"
        return other

    return edited


@pytest.mark.parametrize("section", IN_IDS)
def test_another_release_of_a_component_changes_the_weights(section, registry, released_anew):
    own = {} if section in REQUIRED else {section: {"name": registry.components(section)[0].name}}
    base = resolve(own, registry)
    other = with_component(base, section, released_anew(base.components[section]))
    assert changed(ids(base), ids(other)) >= WEIGHTS
    assert "test_digest" not in changed(ids(base), ids(other))


def test_preprocessing_changes_the_weights_and_asks_for_a_pack_of_its_own(registry, base, released_anew):
    cropped = resolve({"preprocessing": {"name": "centre-crop"}}, registry)
    assert changed(ids(base), ids(cropped)) == WEIGHTS
    released = with_component(cropped, "preprocessing", released_anew(cropped.components["preprocessing"]))
    assert len({dataset_key(one) for one in (base, cropped, released)}) == 3
    none = resolve({"preprocessing": {"name": "none"}, "postprocessing": {"name": "none"}}, registry)
    assert ids(none) == ids(base)
    assert dataset_key(none) == dataset_key(base)


def test_postprocessing_changes_the_evaluation_of_the_test_set_alone(registry, base, released_anew):
    adjusted = resolve({"postprocessing": {"name": "logit-adjustment"}}, registry)
    released = with_component(adjusted, "postprocessing", released_anew(adjusted.components["postprocessing"]))
    others = [
        adjusted,
        released,
        resolve({"postprocessing": {"name": "logit-adjustment", "tau": 0.5}}, registry),
        resolve({"postprocessing": {"name": "temperature"}}, registry),
    ]
    assert all(changed(ids(base), ids(other)) == {"test"} for other in others)
    assert len({ids(other)["test"] for other in others}) == 4
    assert dataset_key(adjusted) == dataset_key(base)


def test_another_release_of_a_dataset_asks_for_a_pack_of_its_own(base, released_anew):
    other = with_component(base, "dataset", released_anew(base.components["dataset"]))
    assert other.components["dataset"].origin() != base.components["dataset"].origin()
    assert dataset_key(other) != dataset_key(base)


def test_another_release_of_a_member_asks_for_a_union_of_its_own(registry, released_anew):
    settings = {"dataset": {"name": "folder+csv"}, "data": {"paths": {"folder": "a", "csv": "b"}}}
    union = resolve(settings, registry).components["dataset"]
    members = {**union.members, "csv": released_anew(union.members["csv"])}
    assert dataclasses.replace(union, members=members).origin() != union.origin()


@pytest.mark.parametrize("facts", [{"image_size": 40}, {"channels": 3}, {"mean": (0.1,)}, {"std": (0.1,)}])
def test_what_a_model_expects_of_images_changes_the_weights(facts, base):
    chosen = base.components["model"]
    spec = dataclasses.replace(chosen.component.spec, **facts)
    other = dataclasses.replace(chosen, component=dataclasses.replace(chosen.component, spec=spec))
    assert changed(ids(base), ids(with_component(base, "model", other))) == WEIGHTS


def test_the_content_of_initial_weights_counts_and_not_their_place(registry, tmp_path):
    def of(name: str, content: bytes) -> dict[str, str | None]:
        (tmp_path / name).write_bytes(content)
        model = {"name": "timm", "backbone": "resnet18", "weights": str(tmp_path / name)}
        return ids(resolve({"model": model}, registry))

    one = of("one", b"1")
    assert changed(one, of("copy", b"1")) == NOTHING
    assert changed(one, of("one", b"2")) == WEIGHTS


def start(**facts: Any) -> Start:
    known = {"name": "parent", "training_id": "v1:t", "config_id": "v1:c", "at": "best", "epoch": 3, "sha256": "aa"}
    given = {"directory": RunDirectory(Path("nowhere")), "given": "parent@best", "class_names": CLASSES}
    return Start(**{**given, **known, **facts})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"sha256": "bb"}, SEED),
        ({"config_id": "v1:d"}, {"config"}),
        ({"at": "3"}, {"config"}),
        ({"name": "renamed"}, NOTHING),
        ({"directory": RunDirectory(Path("elsewhere"))}, NOTHING),
    ],
    ids=["weights", "configuration", "point", "name", "place"],
)
def test_a_start_is_known_by_its_weights_and_its_configuration(facts, expected, registry):
    child = resolve({"from": "parent@best"}, registry)
    assert changed(ids(child, start=start()), ids(child, start=start(**facts))) == expected


def test_to_start_elsewhere_changes_the_weights(registry, base):
    child = resolve({"from": "parent@best"}, registry)
    assert changed(ids(base), ids(child, start=start())) == WEIGHTS


def student(registry, teacher: str, **training: Any) -> ResolvedRecipe:
    return resolve({"loss": {"name": "distillation"}, "training": {"teacher": teacher, **training}}, registry)


def taught_ids(registry, **facts: Any) -> dict[str, str | None]:
    made = plan(student(registry, "parent@best"), pack(), teacher=Teacher(start(**facts), None))
    return {
        "training": made.training_id,
        "config": made.config_id,
        **{role: made.evaluation_id(role) for role in made.evaluation_rows()},
    }


def test_an_average_that_teaches_and_its_decay_change_the_weights(registry):
    one, other = (ids(student(registry, "ema", **more)) for more in ({}, {"teacher_decay": 0.9}))
    assert changed(one, other) == WEIGHTS
    assert changed(taught_ids(registry), one) == WEIGHTS


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"sha256": "bb"}, SEED),
        ({"config_id": "v1:d"}, {"config"}),
        ({"at": "3"}, {"config"}),
        ({"name": "renamed", "directory": RunDirectory(Path("elsewhere"))}, NOTHING),
    ],
    ids=["weights", "configuration", "point", "name and place"],
)
def test_a_teacher_is_known_by_its_weights_and_its_configuration(facts, expected, registry):
    assert changed(taught_ids(registry), taught_ids(registry, **facts)) == expected


def test_the_numerics_of_the_harness_change_the_weights(base, monkeypatch):
    before = ids(base)
    monkeypatch.setattr(fingerprint, "NUMERICS_VERSION", fingerprint.NUMERICS_VERSION + 1)
    assert changed(before, ids(base)) == WEIGHTS


# samples


def at(part: str, column: str, value: Callable[[np.ndarray], Any]) -> Callable[[], Pack]:
    """The pack with another value of a column in one sample of a part."""

    def made() -> Pack:
        data = pack()
        array = getattr(data, column).copy()
        row = list(data.part).index(data.parts.index(part))
        array[row] = value(array[row])
        return dataclasses.replace(data, **{column: array})

    return made


def votes(part: str) -> Callable[[], Pack]:
    def made() -> Pack:
        data = pack()
        given = np.ones((len(data), len(CLASSES)), dtype=np.float32)
        given[list(data.part).index(data.parts.index(part)), 0] = 2
        return dataclasses.replace(data, votes=given)

    return made


def affect(part: str) -> Callable[[], Pack]:
    def made() -> Pack:
        data = pack()
        given = np.zeros((len(data), 2), dtype=np.float32)
        given[list(data.part).index(data.parts.index(part)), 0] = 0.5
        return dataclasses.replace(data, affect=given)

    return made


def stored(part: str, mark: int = 1, **facts: Any) -> Callable[[], Pack]:
    """The pack with resampled images in one part."""

    def made() -> Pack:
        data = pack()
        hashes = data.pixel_hashes.copy()
        hashes[data.part == data.parts.index(part), 0] += mark
        return dataclasses.replace(data, stored_hashes=hashes, form=StoredForm(1, (8, 8), "crop", **facts))

    return made


SAMPLES: dict[str, tuple[Callable[[], Pack], set[str]]] = {
    "label, train": (at("train", "labels", lambda label: (label + 1) % 3), WEIGHTS),
    "label, test": (at("test", "labels", lambda label: (label + 1) % 3), TEST),
    "pixels, train": (at("train", "pixel_hashes", lambda digest: digest + 1), WEIGHTS),
    "pixels, test": (at("test", "pixel_hashes", lambda digest: digest + 1), TEST),
    "id, train": (at("train", "ids", lambda _: "other"), WEIGHTS),
    "id, test": (at("test", "ids", lambda _: "other"), TEST),
    "votes": (votes("train"), WEIGHTS),
    "affect": (affect("train"), WEIGHTS),
    "stored pixels, train": (stored("train"), WEIGHTS),
    "stored pixels, test": (stored("test"), {"test"}),
    "subjects": (lambda: pack(subject=None), WEIGHTS),
    "order": (lambda: pack(**reversed_columns()), WEIGHTS),
    "digest of the pack": (lambda: pack(digest="v1:other"), NOTHING),
    "place of the pack": (lambda: pack(path=Path("elsewhere")), NOTHING),
    "name of the dataset": (lambda: pack(dataset="other"), NOTHING),
    "notes": (lambda: pack(notes={"layout": "other"}), NOTHING),
}


def reversed_columns() -> dict[str, np.ndarray]:
    data = pack()
    return {key: getattr(data, key)[::-1] for key in ("images", "ids", "labels", "part", "pixel_hashes", "subject")}


@pytest.mark.parametrize("what", SAMPLES)
def test_samples_change_the_ids_that_they_must_and_no_others(what, base):
    made, expected = SAMPLES[what]
    assert changed(ids(base), ids(base, made())) == expected


def test_other_votes_and_affect_of_train_are_other_weights(base):
    for made in (votes, affect):
        assert changed(ids(base, made("train")()), ids(base, made("test")())) == WEIGHTS


def test_each_way_of_resampling_has_its_ids(base):
    assert changed(ids(base, stored("train")()), ids(base, stored("train", mark=2)())) == WEIGHTS
    assert changed(ids(base, stored("test")()), ids(base, stored("test", mark=2)())) == {"test"}


def test_a_class_that_is_not_asked_for_changes_nothing(registry):
    two = resolve({"data": {"classes": ["angry", "happy"]}}, registry)
    data = pack()
    rows = np.flatnonzero(data.labels == CLASSES.index("sad"))
    hashes = data.pixel_hashes.copy()
    hashes[rows] += 1
    assert changed(ids(two), ids(two, dataclasses.replace(data, pixel_hashes=hashes))) == NOTHING
