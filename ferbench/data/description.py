"""What the JSON files of a cache say: ``pack.json`` of a pack, and ``sources/<stamp>.json`` of what has become one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ferbench.bounded import Damaged, from_json, read_file
from ferbench.data.sample import Fault
from ferbench.ids import own_digest

#: Rises when the files of a pack change meaning; packs of another format are built anew.
PACK_FORMAT = 1

_OWN = "own"

# A dataset may have millions of faults.
_LARGEST = 2**30

_Digest = Annotated[str, Field(pattern="^v1:[0-9a-f]{64}$")]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Fault = Annotated[tuple[str, int | None, str], Field(strict=False)]  # JSON has lists
_Length = Annotated[int, Field(ge=1, lt=2**48)]


class _Described(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class SourceDescription(_Described):
    """What a known source has become; another source with the same content may share the pack.

    Attributes:
        format: of the pack, `PACK_FORMAT`.
        digest: of the pack.
        dataset: see `ferbench.data.pack.Pack`, as all below.
        skipped: how many samples were left out.
        faults: file, row and reason of each.
        notes: what the dataset says about itself.
        files: by part, how many of some images are in files of what kind; empty where an older release wrote it.
    """

    format: int
    digest: _Digest
    dataset: str
    skipped: Annotated[int, Field(ge=0)]
    faults: list[_Fault]
    notes: dict[str, Any]
    files: dict[str, dict[str, int]] = {}

    def found(self) -> tuple[Fault, ...]:
        """The faults."""
        return tuple(Fault(*fault) for fault in self.faults)

    def to_bytes(self, stamp: str) -> bytes:
        """The file of the source that has that stamp, with a digest of both."""
        content = json.loads(json.dumps({key: getattr(self, key) for key in SourceDescription.model_fields}))
        return json.dumps({**content, _OWN: own_digest([stamp, content])}, indent=1).encode()


class ColumnDescription(_Described):
    """How a column is stored: numpy's name of its type, its shape, and SHA-256 of its values."""

    dtype: str
    shape: list[Annotated[int, Field(ge=0, lt=2**48)]]
    sha256: _Sha256


class PackDescription(SourceDescription):
    """What a pack holds; what its source is like is said as of the source that it was first made from.

    Attributes:
        class_names: of the K classes.
        parts: that have samples.
        rows: N.
        image_shape: (C, H, W).
        columns: by name.
        vote_names: what annotators could vote for, where there is a column of their votes.
        draws_labels: labels are drawn by the votes in training.
        gray: how ``gray.npy`` is stored, where there is one; older releases do not say it.
    """

    class_names: Annotated[list[str], Field(min_length=1)]
    parts: Annotated[list[str], Field(min_length=1)]
    rows: _Length
    image_shape: Annotated[list[_Length], Field(min_length=3, max_length=3)]
    columns: dict[str, ColumnDescription]
    vote_names: list[str] = []
    draws_labels: bool = False
    gray: ColumnDescription | None = None


_Model = TypeVar("_Model", bound=SourceDescription)


def read_description(path: Path, kind: type[_Model]) -> _Model:
    """What one of these files says.

    Raises:
        OSError: it is not there, or cannot be read.
        Damaged: it is none, or of another format.
    """
    try:
        content = from_json(read_file(path, largest=_LARGEST))
        if isinstance(content, dict) and content.get("format") != PACK_FORMAT:
            raise Damaged(f"it has format {str(content.get('format'))[:20]}, this ferbench reads {PACK_FORMAT}")
        if isinstance(content, dict) and kind is SourceDescription:  # what a pack says of itself is covered by its name
            stated = content.pop(_OWN, None)
            if stated is None:  # what was left out, and why, goes into records
                raise Damaged("it has no digest: an older release wrote it, or somebody changed it")
            if stated != own_digest([path.stem, content]):
                raise Damaged("it is not what was written, or of another source: its own digest is another")
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"])
        raise Damaged(f"{path.name}: {place}: {first['msg']}") from error
    except Damaged as error:
        raise Damaged(f"{path.name}: {error}") from error
