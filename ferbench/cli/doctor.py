"""``ferbench doctor``: is everything in order, and what is to be done?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.cli.json_output import echo_json
from ferbench.cli.places import cache_option, results_option

if TYPE_CHECKING:
    from ferbench.doctor.finding import Finding


@click.command()
@click.option("--fix", is_flag=True, help="Remove what crashes left behind: temporary files, half packs, stale locks.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Only problems.")
@results_option
@cache_option
def doctor(fix: bool, as_json: bool, quiet: bool, results: Path, cache: Path) -> None:
    """Check environment, cache and results, and say what to do.

    Nothing is changed without --fix, and with it only what is of no use to anybody is removed. Exit code 1 when there
    are problems.
    """
    from ferbench.doctor.cache import check_cache
    from ferbench.doctor.environment import check_environment
    from ferbench.doctor.results import check_results

    found = [*check_environment(), *check_cache(cache), *check_results(results)]
    fixed = [one for one in found if fix and one.fix is not None and _fixed(one)]
    left = [one for one in found if one.level == "problem" and one not in fixed]
    if as_json:
        records = [{**one.to_record(), "fixed": one in fixed} for one in found]
        echo_json({"problems": len(left), "findings": records})
    else:
        _show([one for one in found if one.level == "problem" or not quiet], fixed)
        if not quiet:
            click.echo(f"\n{len(left)} problem{'' if len(left) == 1 else 's'}" if left else "\nall is well")
    if left:
        sys.exit(1)


def _fixed(finding: Finding) -> bool:
    """Mend it; say so when it cannot be mended."""
    from ferbench.errors import UserError

    assert finding.fix is not None
    try:
        finding.fix()
    except (OSError, UserError) as error:
        cause = error.message if isinstance(error, UserError) else f"{error.strerror}"
        click.echo(f"not fixed: {finding.what}: {cause}", err=True)
        return False
    return True


def _show(findings: list[Finding], fixed: list[Finding]) -> None:
    from ferbench.wording import one_line

    area = ""
    for one in findings:
        if one.area != area:
            click.echo(("\n" if area else "") + one.area)
            area = one.area
        click.echo(f"  {'fixed' if one in fixed else one.level:8} {one_line(one.what)}")
        if one.remedy and one not in fixed:
            click.echo(f"           → {one_line(one.remedy)}")
