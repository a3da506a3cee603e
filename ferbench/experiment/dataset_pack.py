"""From the dataset that a recipe chose, and where its files are, to one that can be packed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ferbench.data.fit import StoredForm
from ferbench.data.images import Compared
from ferbench.data.pack import Pack
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.sample import Dataset
from ferbench.data.union import Member
from ferbench.errors import UserError
from ferbench.experiment.preprocessing import preprocessing_of
from ferbench.experiment.recipe import DataSettings
from ferbench.experiment.resolve import ChosenComponent, JoinedDatasets
from ferbench.plugin.specs import DatasetSpec


def dataset_pack(
    chosen: ChosenComponent,
    data: DataSettings,
    cache: Path,
    progress: Callable[[int], None] | None = None,
    *,
    compared: Compared | None = None,
    dataset: Dataset | None = None,
    form: Callable[[StoredForm], StoredForm] | None = None,
    checked: bool = False,
    preprocessing: ChosenComponent | None = None,
) -> Pack:
    """The pack of the dataset that a recipe chose.

    Args:
        chosen: the dataset, with its options.
        data: where its files are, and whether faulty samples may be left out.
        cache: directory that packs are kept in.
        progress: called now and then with the number of samples done so far.
        compared: likewise with how many images of a pack have been compared with their hashes, and how many are to be.
        dataset: what `build_dataset` made of it, where the caller has that already.
        form: gives what the pack makes of images from what the dataset asks for; None: just that.
        checked: another process of this run has just compared every image with its hash.
        preprocessing: what is done to images before they are brought to the stored size; None: nothing.

    Raises:
        UserError: as `build_dataset` and `ferbench.data.pack_cache.pack_dataset` do.
    """
    origin = chosen.origin()
    dataset = dataset or build_dataset(chosen, data)
    prepare = preprocessing_of(preprocessing)
    return pack_dataset(
        dataset,
        name=chosen.component.name,
        cache=cache,
        origin=origin,
        skip_faulty=data.skip_faulty,
        progress=progress,
        compared=compared,
        form=None if form is None else form(StoredForm.of(dataset)),
        checked=checked,
        prepare=prepare,
        prepared=None if prepare is None else prepare.identity,
    )


def build_dataset(chosen: ChosenComponent, data: DataSettings) -> Dataset:
    """Build a dataset, or every member of a union and the union.

    Raises:
        UserError: it is not said where files are, or what the dataset itself raises.
    """
    paths = places(chosen, data)
    if not isinstance(chosen, JoinedDatasets):
        dataset: Dataset = chosen.build(paths[chosen.component.name])
        _check_fit(chosen, dataset, "dataset.fit")
        return dataset
    members = []
    for name, member in chosen.members.items():
        dataset = member.build(paths[name])
        _check_fit(member, dataset, f"dataset.{name}.fit")
        members.append(Member(name, dataset, _spec(member).protocols[0].train))
    union: Dataset = chosen.build(members)
    _check_fit(chosen, union, "dataset.fit")
    return union


def places(chosen: ChosenComponent, data: DataSettings) -> dict[str, Path | None]:
    """Where the files of a dataset, or of each member of a union, are said to be; None where nothing is said.

    Raises:
        UserError: it is not said of one that needs it.
    """
    joined = isinstance(chosen, JoinedDatasets)
    directories: dict[str, Path | None] = {}
    for name, member in chosen.members.items() if isinstance(chosen, JoinedDatasets) else [("", chosen)]:
        spec = _spec(member)
        name = name or spec.name
        path = (data.paths or {}).get(name, None if joined else data.path)
        if path is None and spec.needs_path:
            remedy = 'give --data DIR, or path = "DIR" under [data] in the recipe'
            if joined:
                remedy = f'give --data {name}=DIR, or {name} = "DIR" under [data.paths] in the recipe'
            raise UserError(f"dataset '{spec.name}' needs to know where its files are", remedy)
        directories[name] = None if path is None else Path(path).expanduser()
    return directories


def _check_fit(chosen: ChosenComponent, dataset: Dataset, key: str) -> None:
    """Refuse a ``fit`` that was asked for, without a size that images are brought to by it.

    Args:
        chosen: the dataset or the union.
        dataset: what it has become.
        key: what users call the option.
    """
    usual = next((option.default for option in chosen.component.options().fields if option.name == "fit"), None)
    if dataset.stored_size is None and chosen.options.get("fit") == dataset.fit != usual:
        remedy = "say the side in pixels with --set dataset.size=N, or leave dataset.fit out"
        if key != "dataset.fit":
            remedy = "give dataset.size and dataset.fit, which are for all of a union, instead"
        raise UserError(f"{key} = {dataset.fit!r} needs dataset.size: images are stored as they are without it", remedy)


def _spec(chosen: ChosenComponent) -> DatasetSpec:
    assert isinstance(chosen.component.spec, DatasetSpec)
    return chosen.component.spec
