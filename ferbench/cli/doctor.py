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
@click.option("--deep", is_flag=True, help="Compare every image in the cache with its hash; reads all packs.")
@click.option("--torch", "computes", is_flag=True, help="Import torch, and try whether it and every GPU compute.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Only problems.")
@results_option
@cache_option
def doctor(fix: bool, deep: bool, computes: bool, as_json: bool, quiet: bool, results: Path, cache: Path) -> None:
    """Check environment, cache and results, and say what to do.

    Nothing is changed without --fix. With it only what is of no use to anybody is removed, and test reads that runs
    tell of are added to the ledger. Exit code 1 when there are problems.
    """
    from ferbench.doctor.cache import check_cache
    from ferbench.doctor.environment import check_environment
    from ferbench.doctor.results_directory import check_results

    areas = {
        "environment": list(check_environment(computes=computes)),
        "cache": list(check_cache(cache, deep=deep)),
        "results": list(check_results(results)),
    }
    findings = [finding for several in areas.values() for finding in several]
    fixed = [finding for finding in findings if fix and finding.fix is not None and _fixed(finding)]
    left = [finding for finding in findings if finding.level == "problem" and finding not in fixed]
    if as_json:
        records = [
            {"area": area, **finding.to_record(), "fixed": finding in fixed}
            for area, several in areas.items()
            for finding in several
        ]
        echo_json({"problems": len(left), "findings": records})
    else:
        shown = {
            area: [finding for finding in several if finding.level == "problem" or not quiet]
            for area, several in areas.items()
        }
        blocks = [_lines(area, several, fixed) for area, several in shown.items() if several]
        if blocks:
            click.echo("\n\n".join(blocks))
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


def _lines(area: str, findings: list[Finding], fixed: list[Finding]) -> str:
    from ferbench.wording import one_line

    lines = [area]
    for finding in findings:
        lines.append(f"  {'fixed' if finding in fixed else finding.level:8} {one_line(finding.what)}")
        if finding.remedy and finding not in fixed:
            lines.append(f"           → {one_line(finding.remedy)}")
    return "\n".join(lines)
