"""Datasets as the Hugging Face hub gives them, from the disk: Parquet files, or what ``save_to_disk`` wrote."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import annotated_types

from ferbench import Dataset, Fault, Fit, Inert, Sample, UserError, expressions, image_tree

_PARTS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_WORD = re.compile(r"[a-z]+")
_IMAGES = ("image", "img", "picture", "photo", "face", "pixels")
_LABELS = ("label", "labels", "emotion", "expression", "class", "fer_label", "target")
#: Rows that are in memory.
_AT_ONCE = 256
_WHERE_TO_GET = (
    "download the dataset's repository (huggingface-cli download --repo-type dataset OWNER/NAME --local-dir DIR), "
    "and name the directory with --data"
)


def hf_dataset(
    path: Path | None,
    *,
    image: Annotated[str | None, Inert()] = None,
    label: Annotated[str | None, Inert()] = None,
    names: Annotated[tuple[str, ...] | None, Inert()] = None,
    subject: Annotated[str | None, Inert()] = None,
    size: Annotated[int, annotated_types.Interval(ge=8, le=4096)] | None = None,
    color: Literal["rgb", "gray"] = "rgb",
    fit: Fit = "stretch",
) -> Dataset:
    """A dataset with an image and a label column, from the disk alone: nothing is downloaded and no code of it is run.

    Read are the Parquet files below a directory, whose names or folders say their split (``data/train-00000-of-00001``,
    ``validation/0000``), or a directory that ``datasets`` saved with ``save_to_disk``. Ids are the split and the place
    in it. Where a reference card knows the pictures, ferbench says what the dataset is.

    Args:
        path: the directory.
        image: the column with the images; None: the one that has images, or is called as such columns usually are.
        label: the column with the classes; None: likewise.
        names: names of the classes 0, 1, … where labels are numbers and the dataset does not name them.
        subject: a column that says who is shown.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and leaves
            black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: nothing of the kind is there, a column is not, or classes have no names.
    """
    if path is None:
        raise UserError("dataset 'hf-dataset' needs its files", _WHERE_TO_GET)
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path} is not a directory" if path.exists() else f"{path} does not exist", _WHERE_TO_GET)
    return HubDataset(path, image, label, names, subject, size, color, fit)


class HubDataset(Dataset):
    """See `hf_dataset`.

    Attributes:
        path: where it lies.
    """

    def __init__(
        self,
        path: Path,
        image: str | None,
        label: str | None,
        names: tuple[str, ...] | None,
        subject: str | None,
        size: int | None,
        color: str,
        fit: Fit,
    ) -> None:
        self.path = path
        self.channels = 3 if color == "rgb" else 1
        self.stored_size = None if size is None else (size, size)
        self.fit = fit
        self._parts = _splits(path)
        features = next(iter(self._parts.values())).features
        self._image = _image_column(features, image)
        self._label = _column(features, label, _LABELS, "label")
        self._subject = None if subject is None else _column(features, subject, (), "subject")
        self._names = names or features[self._label].names
        self.class_names = self._classes(features)
        self._notes: dict[str, Any] = {"image_column": self._image, "label_column": self._label}

    @property
    def notes(self) -> Mapping[str, Any]:
        """The columns; once ``samples`` has run, images of each part and what was left out."""
        return self._notes

    def source(self) -> Mapping[str, Any]:
        files = sorted(file for file in self.path.rglob("*") if file.suffix in (".parquet", ".arrow", ".json"))
        return {"files": image_tree.stamp(files), "columns": [self._image, self._label, self._subject, *self._names]}

    def samples(self) -> Iterator[Sample | Fault]:
        counts: Counter[str] = Counter()
        left_out = 0
        wanted = [self._image, self._label, *([] if self._subject is None else [self._subject])]
        for part, rows in self._parts.items():
            for index, row in enumerate(rows.only(*wanted)):
                location = f"{self.path}, {part} {index}"
                name = self._class_of(row[self._label])
                if name is None:
                    left_out += 1
                    continue
                if name not in self.class_names:
                    yield Fault(location, None, f"unknown label {row[self._label]!r:.40}")
                    continue
                stored = row[self._image]
                content = stored.get("bytes") if isinstance(stored, Mapping) else stored
                if content is None and isinstance(stored, Mapping) and stored.get("path"):
                    content = self.path / str(stored["path"])
                if not isinstance(content, (bytes, Path)):
                    yield Fault(location, None, "has no image")
                    continue
                counts[part] += 1
                who = None if self._subject is None else row[self._subject]
                subject = None if who is None else str(who)
                yield Sample(f"{part}-{index:06d}", part, name, content, location=location, subject=subject)
        self._notes |= {"images": dict(counts), "left_out": {"without a label": left_out} if left_out else {}}

    def _classes(self, features: Mapping[str, Feature]) -> tuple[str, ...]:
        if self._names:
            return tuple(sorted(_spelt(name) for name in self._names))
        if "string" not in features[self._label].dtype:
            raise UserError(
                f"the column '{self._label}' of {self.path} has numbers, and nothing names the classes",
                "give their names in the order of the numbers, such as --set 'dataset.names=[angry,disgust,…]'",
            )
        found = {_spelt(row[self._label]) for rows in self._parts.values() for row in rows.only(self._label)}
        return tuple(sorted(name for name in found if name))

    def _class_of(self, value: Any) -> str | None:
        """The class of a label; None for a sample without one, what is no class as it is."""
        if value is None or value == -1 or value == "":
            return None
        if self._names and isinstance(value, int):
            return _spelt(self._names[value]) if 0 <= value < len(self._names) else str(value)
        return _spelt(str(value))


def _spelt(name: Any) -> str:
    """One spelling for what is an expression; anything else as it is."""
    return "" if name is None else expressions.expression_named(str(name)) or str(name)


@dataclass(frozen=True, slots=True)
class Feature:
    """A column: what the hub calls its kind (``Image``, ``ClassLabel``), names of classes, type of values."""

    kind: str
    names: tuple[str, ...]
    dtype: str


class Rows(Protocol):
    """The rows of a split, images not decoded."""

    @property
    def features(self) -> Mapping[str, Feature]:
        """The columns."""

    def only(self, *columns: str) -> Iterator[dict[str, Any]]:
        """The rows with some columns."""


class _Parquet:
    """Parquet files, by what is read of them alone: the package datasets takes a second to import."""

    def __init__(self, files: Sequence[Path]) -> None:
        from pyarrow import parquet

        self._files = files
        schema = parquet.read_schema(files[0])
        stated = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        known = stated.get("info", {}).get("features", {})
        self.features = {field.name: _feature(known.get(field.name), str(field.type)) for field in schema}

    def only(self, *columns: str) -> Iterator[dict[str, Any]]:
        from pyarrow import parquet

        for file in self._files:
            for batch in parquet.ParquetFile(file).iter_batches(batch_size=_AT_ONCE, columns=list(columns)):
                yield from batch.to_pylist()


def _feature(stated: Any, dtype: str) -> Feature:
    """What the hub's own words in a file say of a column, where there are any."""
    stated = stated if isinstance(stated, Mapping) else {}
    return Feature(str(stated.get("_type", "Value")), tuple(map(str, stated.get("names") or ())), dtype)


class _Saved:
    """What ``save_to_disk`` wrote."""

    def __init__(self, rows: Any, image: type) -> None:
        self.features = {
            name: Feature(
                type(feature).__name__,
                tuple(getattr(feature, "names", None) or ()),
                str(getattr(feature, "dtype", "")),
            )
            for name, feature in rows.features.items()
        }
        for name, feature in rows.features.items():
            if isinstance(feature, image):
                rows = rows.cast_column(name, image(decode=False))
        self._rows = rows

    def only(self, *columns: str) -> Iterator[dict[str, Any]]:
        yield from self._rows.select_columns(list(dict.fromkeys(columns)))


def _splits(path: Path) -> dict[str, Rows]:
    """The rows of each split."""
    found: dict[str, Rows] = {}
    if (path / "dataset_dict.json").is_file() or (path / "dataset_info.json").is_file():
        import datasets

        try:
            saved = datasets.load_from_disk(str(path))
        except Exception as error:
            raise UserError(f"{path} cannot be read: {_line(error)}", "save it again with save_to_disk") from error
        several = dict(saved) if isinstance(saved, datasets.DatasetDict) else {"train": saved}
        found = {name: _Saved(rows, datasets.Image) for name, rows in several.items()}
    else:
        files: dict[str, list[Path]] = {}
        for file in sorted(path.rglob("*.parquet")):
            files.setdefault(_split_of(file, path), []).append(file)
        if not files:
            raise UserError(f"there is no Parquet file in {path}, nor what save_to_disk writes", _WHERE_TO_GET)
        try:
            found = {name: _Parquet(of) for name, of in files.items()}
        except Exception as error:
            raise UserError(f"{path} cannot be read: {_line(error)}", "check that its files are whole") from error
    return {_PARTS.get(name.lower(), name): rows for name, rows in found.items()}


def _split_of(file: Path, root: Path) -> str:
    """The split that a file's name or one of its folders says; ``train`` where none does."""
    words = [word for part in reversed(file.relative_to(root).parts) for word in _WORD.findall(part.lower())]
    return next((_PARTS[word] for word in words if word in _PARTS), "train")


def _image_column(features: Mapping[str, Feature], asked: str | None) -> str:
    if asked is None:
        images = [name for name, feature in features.items() if feature.kind == "Image"]
        if len(images) == 1:
            return images[0]
    return _column(features, asked, _IMAGES, "image")


def _column(features: Mapping[str, Feature], asked: str | None, usual: tuple[str, ...], what: str) -> str:
    present = {name.lower(): name for name in features}
    if asked is not None and asked in features:
        return asked
    found = [present[name] for name in usual if name in present] if asked is None else []
    if found:
        return found[0]
    wanted = f"no column '{asked}'" if asked is not None else f"no column that is known to be the {what}"
    raise UserError(
        f"the dataset has {wanted}; it has: {', '.join(features)}", f"name it with --set dataset.{what}=NAME"
    )


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
