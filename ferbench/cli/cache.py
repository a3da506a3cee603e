"""``ferbench cache``: look after packed datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.cli.confirm import confirm_removal
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import cache_option
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.data.pack_list import Kept


@click.group("cache")
def cache_() -> None:
    """List and remove packed datasets.

    A dataset is decoded once, when it is first used, and kept as a pack. A pack that is removed is made again from the
    dataset's files when they are used the next time; no result depends on it.
    """


@cache_.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@cache_option
def list_packs(as_json: bool, cache: Path) -> None:
    """List every pack, the largest first: its dataset, images, size, and the day it was last read."""
    from datetime import UTC, datetime

    from ferbench.cli.tables import show, table, terminal_width
    from ferbench.data.pack_list import kept_packs
    from ferbench.tables.table import size

    packs = kept_packs(cache)
    days = [datetime.fromtimestamp(pack.used, UTC).date().isoformat() for pack in packs]
    if as_json:
        echo_json(
            [
                {
                    "pack": pack.path.name,
                    "datasets": list(pack.datasets),
                    "rows": pack.rows,
                    "shape": pack.shape,
                    "bytes": pack.bytes,
                    "used": day,
                    "path": str(pack.path),
                }
                for pack, day in zip(packs, days, strict=True)
            ]
        )
    elif not packs:
        click.echo(f"no packs in {cache}", err=True)
    else:
        rows = [
            (
                pack.path.name,
                ", ".join(pack.datasets) or "not known",
                "damaged" if pack.rows is None else f"{pack.rows:,}",
                ""
                if pack.shape is None
                else "{2}×{1} {0}".format("gray" if pack.shape[0] == 1 else "RGB", *pack.shape[1:]),
                size(pack.bytes),
                day,
            )
            for pack, day in zip(packs, days, strict=True)
        ]
        columns = ("pack", "dataset", "images", "stored as", "size", "last read")
        show([table(columns, rows, whole=columns[:1], right=("images", "size"))], terminal_width())
        click.echo(f"\n{_counted(packs)} in {cache}")


@cache_.command("rm")
@click.argument("names", nargs=-1, metavar="[PACK|DATASET...]")
@click.option("--all", "every", is_flag=True, help="All packs.")
@click.option("--unused", type=click.IntRange(min=1), metavar="DAYS", help="Only those not read for so many days.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@cache_option
def remove_packs(
    names: tuple[str, ...], every: bool, unused: int | None, yes: bool, dry_run: bool, cache: Path
) -> None:
    """Remove packs: by the first digits of their name (four or more), or all of a dataset.

    \b
    ferbench cache rm fer2013
    ferbench cache rm --all --unused 30
    """
    import time

    from ferbench.data.pack_list import kept_packs, remove_pack
    from ferbench.tables.table import size

    if bool(names) == every:
        raise UserError(
            "say which packs: names of packs or datasets, or --all", "'ferbench cache list' shows what there is"
        )
    packs = kept_packs(cache)
    chosen = packs if every else [pack for pack in packs if any(_meant(pack, name) for name in names)]
    for name in names:
        if not any(_meant(pack, name) for pack in packs):
            raise UserError(f"no pack or dataset in {cache} is called '{name}'", "'ferbench cache list' shows them")
    if unused is not None:
        chosen = [pack for pack in chosen if pack.used < time.time() - unused * 86_400]
    for pack in chosen:
        click.echo(f"{pack.path.name}, {', '.join(pack.datasets) or 'dataset not known'}, {size(pack.bytes)}")
    if dry_run or not chosen:
        click.echo(f"would be removed: {_counted(chosen)}" if chosen else "there is nothing to remove")
        return
    confirm_removal(_counted(chosen), yes=yes)
    for pack in chosen:
        remove_pack(cache, pack)
    click.echo(f"removed: {_counted(chosen)}")


def _meant(pack: Kept, name: str) -> bool:
    return name in pack.datasets or (len(name) >= 4 and pack.path.name.startswith(name.lower()))


def _counted(packs: Sequence[Kept]) -> str:
    from ferbench.tables.table import size
    from ferbench.wording import number_of

    return f"{number_of(len(packs), 'pack')}, {size(sum(pack.bytes for pack in packs))}"
