"""From the dataset that a recipe chose, and where its files are, to one that can be packed."""

from __future__ import annotations

from pathlib import Path

from ferbench.data.sample import Dataset
from ferbench.data.union import Member
from ferbench.errors import UserError
from ferbench.experiment.recipe import DataSettings
from ferbench.experiment.resolve import ChosenComponent, JoinedDatasets
from ferbench.plugin.specs import DatasetSpec


def build_dataset(chosen: ChosenComponent, data: DataSettings) -> Dataset:
    """Build a dataset, or every member of a union and the union.

    Raises:
        UserError: it is not said where files are, or what the dataset itself raises.
    """
    if not isinstance(chosen, JoinedDatasets):
        name = chosen.component.name
        path = (data.paths or {}).get(name, data.path)
        return _build(chosen, path, 'give --data DIR, or path = "DIR" under [data] in the recipe')
    members = []
    for name, member in chosen.members.items():
        remedy = f'give --data {name}=DIR, or {name} = "DIR" under [data.paths] in the recipe'
        dataset = _build(member, (data.paths or {}).get(name), remedy)
        members.append(Member(name, dataset, _spec(member).protocols[0].train))
    return chosen.build(members)


def _build(chosen: ChosenComponent, path: str | None, remedy: str) -> Dataset:
    spec = _spec(chosen)
    if path is None and spec.needs_path:
        raise UserError(f"dataset '{spec.name}' needs to know where its files are", remedy)
    return chosen.build(None if path is None else Path(path).expanduser())


def _spec(chosen: ChosenComponent) -> DatasetSpec:
    assert isinstance(chosen.component.spec, DatasetSpec)
    return chosen.component.spec
