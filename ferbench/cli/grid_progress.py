"""How a grid of runs shows on the terminal."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from ferbench.api.conduct import Outcome, Progress, RunFailed
from ferbench.cli.devices import shared_batch
from ferbench.cli.streams import is_live_terminal
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.cli.progress import LiveRuns
    from ferbench.experiment.prepare import Combination
    from ferbench.runs.directory import RunDirectory
    from ferbench.training.observer import Observer


class GridProgress(Progress):
    """Shows a grid on the terminal."""

    def __init__(self, count: int, *, quiet: bool, tables: bool) -> None:
        self.count, self.quiet, self._tables = count, quiet, tables
        self._results = sys.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def begins(self, number: int, combination: Combination) -> Iterator[Observer]:
        from ferbench.cli.progress import LineProgress, LiveProgress

        plan = combination.plan
        assert plan is not None
        if plan.resolved.recipe.runtime.devices > 1 and not self.quiet:
            click.echo(shared_batch(plan), err=True)
        title, training = self.title(number, combination), plan.resolved.recipe.training
        epochs, select = training.epochs, training.select
        live = is_live_terminal() and not self.quiet and epochs
        with (
            LiveProgress(title, epochs, select)
            if live
            else LineProgress(title, epochs, quiet=self.quiet, select=select)
        ) as observer:
            yield observer

    def title(self, number: int, combination: Combination) -> str:
        """What a run is called."""
        plan = combination.plan
        assert plan is not None
        recipe = plan.resolved.recipe
        position = f"{number}/{self.count} " if self.count > 1 else ""
        name = f"  ({recipe.name})" if recipe.name else ""
        return f"{position}{plan.directory(Path()).path.name}  {combination.label}{name}"

    def ended(self, outcome: Outcome) -> None:
        if outcome.status == "failed" and not isinstance(outcome.error, UserError | RunFailed | None):
            traceback.print_exception(outcome.error)
        if self._tables:
            from ferbench.cli.results import show_outcome

            with redirect_stdout(self._results):
                show_outcome(outcome, quiet=self.quiet)

    def pooled(self, directory: RunDirectory, reused: bool) -> None:
        if self._tables:
            from ferbench.cli.results import show_pooled

            with redirect_stdout(self._results):
                show_pooled(directory, reused=reused, quiet=self.quiet)

    def interrupted(self, run: str) -> None:
        click.echo(f"interrupted: the same command goes on with run {run}", err=True)

    def warn(self, line: str) -> None:
        click.echo(line, err=True)


class SeveralProgress(GridProgress):
    """Shows a grid of which several runs are trained at once."""

    _live: LiveRuns | None = None

    def __enter__(self) -> Self:
        from ferbench.cli.progress import LiveRuns

        if is_live_terminal() and not self.quiet:
            self._live = LiveRuns(self.count)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def begins(self, number: int, combination: Combination) -> Iterator[Observer]:
        from ferbench.cli.progress import LineProgress

        plan = combination.plan
        assert plan is not None
        title, training = self.title(number, combination), plan.resolved.recipe.training
        epochs, select = training.epochs, training.select
        run = plan.directory(Path()).path.name
        if self._live is None:
            prefix = f"{number}/{self.count} {run}  "
            yield LineProgress(title, epochs, quiet=self.quiet, prefix=prefix, select=select)
            return
        with self._live.row(title, f"{number}/{self.count} {run}", epochs, select) as observer:
            yield observer

    def ended(self, outcome: Outcome) -> None:
        with self._aside():
            super().ended(outcome)
        if self._live is not None:
            self._live.ended()

    def pooled(self, directory: RunDirectory, reused: bool) -> None:
        with self._aside():
            super().pooled(directory, reused)

    def interrupted(self, run: str) -> None:
        with self._aside():
            super().interrupted(run)

    def warn(self, line: str) -> None:
        with self._aside():
            super().warn(line)

    def printed(self, run: str, line: str) -> None:
        with self._aside():
            super().printed(run, line)

    def _aside(self) -> AbstractContextManager[None]:
        """For lines that stay: what is drawn of the runs under way would be drawn over them."""
        return nullcontext() if self._live is None else self._live.paused()
