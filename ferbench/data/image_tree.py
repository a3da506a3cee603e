"""Image files in a directory tree: listed in a stable order, and stamped without being read."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferbench.data.decode import FORMAT_LIST, SUFFIXES, format_of, is_decodable
from ferbench.errors import UserError

#: What systems, file servers and tools leave among files, in lower case, beside names that begin with a dot.
_NOT_CONTENT = {
    "__macosx",
    "__pycache__",
    "@eadir",  # Synology
    "#recycle",
    "#snapshot",
    "@recycle",  # QNAP
    "@recently-snapshot",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "lost+found",
}

#: Cameras' own formats that begin as TIFF does; what could be decoded of them is a preview.
_RAW = (".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".srw", ".pef", ".iiq", ".3fr", ".erf", ".kdc", ".dcr", ".mos")


#: The reason that ``left_out`` of a dataset's notes gives for what is no image.
OTHER_FILES = "other files"


@dataclass(slots=True)
class Ignored:
    """What a walk passed over.

    Attributes:
        count: hidden names, files that are no images, links that lead back to where they are.
        images: images that cannot be decoded, as paths that begin with the name of the directory that was walked.
    """

    count: int = 0
    images: list[str] = field(default_factory=list)

    def notes(self) -> dict[str, Any]:
        """``left_out_images`` for a dataset's notes: how many by suffix, and an example; empty if there is none."""
        if not self.images:
            return {}
        counts = Counter(Path(name).suffix.lower() or "no suffix" for name in self.images)
        return {"left_out_images": {"counts": dict(counts.most_common()), "example": self.images[0]}}


def passed_over(name: str) -> bool:
    """Whether a file or directory of this name is none of the user's: hidden, or left there by a system or a tool."""
    return name.startswith(".") or name.lower() in _NOT_CONTENT


def subdirectories(directory: Path) -> list[str]:
    """Names of the directories in a directory, sorted, without those that are ``passed_over``.

    Raises:
        UserError: it cannot be read.
    """
    with _reading(str(directory)) as entries:
        return sorted(entry.name for entry in entries if _is(entry.is_dir) and not passed_over(entry.name))


def images(
    directory: Path, ignored: Ignored | None = None, suffixes: tuple[str, ...] | None = None, *, deep: bool = True
) -> Iterator[str]:
    """Image files below a directory, at any depth, as paths from there with slashes.

    Which files are images is decided by their names where these are usual ones, and else by how they begin. The order
    depends on their names alone. Links are followed, but never into a directory that the walk is in.

    Args:
        directory: where to look.
        ignored: counts what is passed over.
        suffixes: give the files whose names end so instead, whatever they are.
        deep: look into directories too.

    Raises:
        UserError: a directory cannot be read.
    """
    ignored = Ignored() if ignored is None else ignored
    for name, _, decodable in _walk(str(directory), "", (), ignored, suffixes, deep):
        if decodable:
            yield name
        else:
            ignored.images.append(f"{directory.name}/{name}")


def images_in(directory: Path, *, deep: bool) -> tuple[list[Path], str]:
    """The images in a directory by name, and what to say of those that cannot be decoded; nothing where there is none.

    Args:
        directory: where to look.
        deep: look into the directories in it too.

    Raises:
        UserError: there is no image that can be decoded, or a directory cannot be read.
    """
    ignored = Ignored()
    paths = [directory / name for name in images(directory, ignored, deep=deep)]
    warning = left_out_line(ignored.notes())
    if not paths:
        where = "below" if deep else "in"
        message = f"there is no image {where} {directory}" + (" that can be decoded" if warning else "")
        folders = not deep and subdirectories(directory)
        remedy = "name one of the folders in it" if folders and not warning else f"give {FORMAT_LIST} files"
        raise UserError(message + (f": {warning}" if warning else ""), remedy)
    return paths, warning


def size_of_first(directory: Path) -> tuple[int, int] | None:
    """(height, width) of the first image below a directory, as its header says; None where there is none that can be
    read.

    Raises:
        UserError: a directory cannot be read.
    """
    from PIL import Image

    name = next(images(directory), None)
    if name is None:
        return None
    try:
        with Image.open(directory / name) as image:
            return image.height, image.width
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def left_out_images(notes: Mapping[str, Any]) -> dict[str, int]:
    """How many images, by suffix, could not be decoded and were left out, as a dataset's notes or its members' say."""
    counts = Counter[str]()
    for left_out in _left_out(notes):
        counts.update(left_out["counts"])
    return dict(counts.most_common())


def left_out_line(notes: Mapping[str, Any]) -> str:
    """The same in words, with an example; empty where there is none."""
    counts = left_out_images(notes)
    if not counts:
        return ""
    total = sum(counts.values())
    several = ", ".join(f"{suffix} {count:,}" for suffix, count in counts.items())
    were = "1 image was" if total == 1 else f"{total:,} images were"
    return f"{were} left out that cannot be decoded ({several}), such as {_left_out(notes)[0]['example']}"


def left_out_on_purpose_line(notes: Mapping[str, Any]) -> str:
    """What a dataset leaves out for its meaning, as ``left_out`` of its notes or its members' counts it by reason;
    empty where there is nothing. Files that are no images are not said."""
    members = notes.get("members")
    counts = Counter[str]()
    for each in (notes, *(members.values() if isinstance(members, Mapping) else ())):
        stated = each.get("left_out") if isinstance(each, Mapping) else None
        if isinstance(stated, Mapping):
            counts.update({str(reason): n for reason, n in stated.items() if type(n) is int})
    del counts[OTHER_FILES]
    if not counts:
        return ""
    reasons = "; ".join(f"{reason} {n:,}" for reason, n in counts.most_common())
    return f"{counts.total():,} left out on purpose: {reasons}"


def named_twice_line(notes: Mapping[str, Any]) -> str:
    """How many samples have the name of another one, as ``named_twice`` of a dataset's notes says; empty for none."""
    count = notes.get("named_twice")
    if type(count) is not int or count < 1:
        return ""
    has, its = ("1 sample has", "its id is") if count == 1 else (f"{count:,} samples have", "their ids are")
    return f"{has} the name of another one in its table: {its} by row, and in a copy with files they may not be there"


def _left_out(notes: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What ``Ignored.notes`` has put there; notes may be anybody's."""
    members = notes.get("members")
    several = [notes, *(members.values() if isinstance(members, Mapping) else ())]
    stated = [each.get("left_out_images") for each in several if isinstance(each, Mapping)]
    return [
        left_out
        for left_out in stated
        if isinstance(left_out, Mapping)
        and isinstance(left_out.get("counts"), Mapping)
        and all(type(count) is int for count in left_out["counts"].values())
        and "example" in left_out
    ]


def stamp(roots: Iterable[Path], suffixes: tuple[str, ...] | None = None) -> str:
    """One digest over name, size and times of files, and of every image below directories, decodable or not.

    It changes when they do. Their content is not read, but for the first bytes of what has no usual image name: 32,000
    files take about 0.3 s.

    Raises:
        UserError: a file or directory is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for root in roots:
        if root.is_dir():
            digest.update(f"{root.name}/\n".encode("utf-8", "surrogateescape"))
            for name, entry, decodable in _walk(str(root), "", (), Ignored(), suffixes):
                try:
                    line = _stamp_of(name if decodable else f"left out\0{name}", entry.stat())
                except OSError:
                    line = f"{name}\0gone\n"
                digest.update(line.encode("utf-8", "surrogateescape"))
        else:
            try:
                digest.update(_stamp_of(root.name, root.stat()).encode("utf-8", "surrogateescape"))
            except OSError as error:
                raise _unreadable(str(root), error) from error
    return digest.hexdigest()


def stamp_named(names: Iterable[str], root: Path) -> str:
    """The same over files that a table names, relative to ``root``; a missing one is stamped as missing."""
    digest = hashlib.sha256()
    for name in names:
        try:
            line = _stamp_of(name, (root / name).stat())
        except (OSError, ValueError):
            line = f"{name}\0gone\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _stamp_of(name: str, status: os.stat_result) -> str:
    return f"{name}\0{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}\n"


def _walk(
    directory: str,
    prefix: str,
    above: tuple[tuple[int, int], ...],
    ignored: Ignored,
    suffixes: tuple[str, ...] | None,
    deep: bool = True,
) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """Name, entry, and whether it can be decoded, as far as its beginning says."""
    with _reading(directory) as unsorted:
        entries = sorted(unsorted, key=lambda entry: entry.name)
        status = Path(directory).stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        ignored.count += 1
        return
    for entry in entries:
        name = entry.name
        if passed_over(name):
            ignored.count += 1
        elif _is(entry.is_dir):
            if deep:
                yield from _walk(entry.path, f"{prefix}{name}/", (*above, here), ignored, suffixes)
        elif name.lower().endswith(suffixes or SUFFIXES):
            # Also a link that leads nowhere, which decoding will complain of.
            yield prefix + name, entry, True
        elif suffixes is None and _is(entry.is_file) and (kind := format_of(entry.path)) is not None:
            yield prefix + name, entry, is_decodable(kind) and not name.lower().endswith(_RAW)
        else:
            ignored.count += 1


def _is(question: Callable[[], bool]) -> bool:
    """The answer; no for a link to itself, which is an error to the system."""
    try:
        return question()
    except OSError:
        return False


@contextlib.contextmanager
def _reading(directory: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    try:
        with os.scandir(directory) as entries:
            yield entries
    except OSError as error:
        raise _unreadable(directory, error) from error


def _unreadable(path: str, error: OSError) -> UserError:
    return UserError(
        f"cannot read {path}: {error.strerror or error}", "check that it is there and that you may read it"
    )
