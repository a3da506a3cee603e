"""How a run shows what it is doing: a live display in a terminal, one line an epoch elsewhere, nothing if quiet."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ferbench.cli.streams import is_live_terminal
from ferbench.records.epoch import Epoch, selecting
from ferbench.tables.table import duration
from ferbench.training.observer import Observer
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.training.position import Position


class _Rate(TextColumn):
    """Images per second of the epoch."""

    def __init__(self) -> None:
        super().__init__("{task.speed}")

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} images/s" if task.speed else "", style="progress.data.speed")


def describe_epoch(epoch: Epoch, epochs: int, select: str = "macro_f1") -> str:
    """One epoch as one line; a star stands behind what ``training.select`` names where that is the best so far."""
    train, validation = epoch.train.metrics, epoch.validation.metrics

    def loss(value: float | None) -> str:
        return "—" if value is None else f"{value:.4f}" if value < 1e4 else f"{value:.3e}"

    shown = {
        "loss": f"validation loss {loss(validation['loss'])}",
        "accuracy": f"accuracy {validation['accuracy']:.4f}",
        "macro_f1": f"macro-F1 {validation['macro_f1']:.4f}",
    }
    shown.setdefault(select, selecting(epoch, select))
    shown[select] += " *" if epoch.best else "  "
    return (
        f"epoch {epoch.epoch:>{len(str(epochs))}}/{epochs}"
        f"  loss {loss(train['loss'])}"
        f"  {'  '.join(shown.values())}"
        f"  {epoch.images_per_second or 0:,.0f} images/s"
    )


def describe_resumption(at: Position) -> str:
    """Where a run goes on."""
    return f"resumed at epoch {at.epoch}" + (f", after {at.batches:,} batches of it" if at.batches else "")


class _Images(Observer):
    """Counts the images of a whole run; epochs are of one length until it is told otherwise."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._each: Sequence[int] | None = None

    def planned(self, images: Sequence[int]) -> None:
        self._each = images

    def _before(self, epoch: int, total: int = 1) -> int:
        """Images of all epochs before one, which has ``total``."""
        return (epoch - 1) * total if self._each is None else sum(self._each[: epoch - 1])


class LineProgress(_Images):
    """One line an epoch on stderr, for logs and pipes.

    Args:
        title: which run.
        epochs: that are planned.
        quiet: print nothing.
        prefix: of each line but the first, where several runs go on at once.
        select: as ``training.select`` has it.
    """

    def __init__(self, title: str, epochs: int, *, quiet: bool, prefix: str = "", select: str = "macro_f1") -> None:
        super().__init__(epochs)
        self._select = select
        self._prefix = ""
        self._quiet = quiet
        self._started = time.perf_counter()
        self._first = 0
        self._print(f"run {one_line(title)}")
        self._prefix = prefix

    def __enter__(self) -> LineProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def epoch_ended(self, epoch: Epoch) -> None:
        spent = time.perf_counter() - self._started
        done, begun = self._before(epoch.epoch + 1), self._before(self._first + 1)
        left = spent / (done - begun) * (self._before(self._epochs + 1) - done)
        self._print(f"{describe_epoch(epoch, self._epochs, self._select)}  {duration(round(left))} left")

    def resumed(self, at: Position) -> None:
        self._first = at.epoch - 1
        self._print(describe_resumption(at))

    def stopped(self, epoch: int, reason: str) -> None:
        self._print(f"stopped after epoch {epoch}: {reason}")

    def _print(self, line: str) -> None:
        if not self._quiet:
            print(self._prefix + line, file=sys.stderr, flush=True)


class LiveProgress(_Images):
    """Two bars (epochs, images of this epoch) with loss, what ``training.select`` names, images/s and time left."""

    def __init__(self, title: str, epochs: int, select: str = "macro_f1") -> None:
        super().__init__(epochs)
        self._select = select
        console = self._console = Console(stderr=True, highlight=False)
        console.print(Text(f"run {one_line(title)}", style="bold"))
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20 if console.width >= 110 else 6),
            MofNCompleteColumn(),
            _Rate(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._all = self._progress.add_task("all  ", total=None, numbers="")
        self._epoch: TaskID = self._progress.add_task("epoch", total=None, numbers="")
        self._current = 0
        self._finished_images = 0

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        if epoch != self._current:
            self._finished_images = self._before(epoch, total)
            self._current = epoch
            self._progress.reset(self._epoch, total=total, description=f"epoch {epoch}/{self._epochs}")
            self._progress.update(self._all, total=self._before(self._epochs + 1, total))
        numbers = {} if loss is None else {"numbers": f"loss {loss:.4f}"}
        self._progress.update(self._epoch, completed=images, **numbers)  # type: ignore[arg-type]
        self._progress.update(self._all, completed=self._finished_images + images)

    def epoch_ended(self, epoch: Epoch) -> None:
        self._console.print(Text(describe_epoch(epoch, self._epochs, self._select)))
        self._progress.update(self._all, numbers=f"validation {selecting(epoch, self._select)}")

    def resumed(self, at: Position) -> None:
        self._console.print(Text(describe_resumption(at)))

    def stopped(self, epoch: int, reason: str) -> None:
        self._console.print(Text(f"stopped after epoch {epoch}: {reason}"))


class LiveRuns:
    """A bar for all runs of a grid, and one for each that is being trained.

    Args:
        count: of the runs.
    """

    def __init__(self, count: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20 if self._console.width >= 110 else 6),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            transient=True,
        )
        self._count, self._ended = count, 0
        self._all = self._progress.add_task("runs", total=count, numbers="the workers are starting")
        self._progress.start()

    @contextmanager
    def row(self, title: str, name: str, epochs: int, select: str = "macro_f1") -> Iterator[Observer]:
        """An observer whose run has a bar, called ``name``, while this is entered."""
        self._console.print(Text(f"run {one_line(title)}", style="bold"))
        self._show_count()
        task = self._progress.add_task(name, total=None, numbers="")
        try:
            yield _Row(self._progress, task, epochs, select)
        finally:
            self._progress.remove_task(task)

    def ended(self) -> None:
        """Another run has ended."""
        self._ended += 1
        self._show_count()

    def _show_count(self) -> None:
        self._progress.update(self._all, completed=self._ended, numbers=f"{self._ended}/{self._count}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Out of the way of what is printed."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def stop(self) -> None:
        """Show nothing any more."""
        self._progress.stop()


class _Row(_Images):
    def __init__(self, progress: Progress, task: TaskID, epochs: int, select: str) -> None:
        super().__init__(epochs)
        self._select = select
        self._progress, self._task = progress, task
        self._score = ""

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        done, of = self._before(epoch, total) + images, self._before(self._epochs + 1, total)
        numbers = f"epoch {epoch}/{self._epochs}{self._score}"
        self._progress.update(self._task, completed=done, total=of, numbers=numbers)

    def epoch_ended(self, epoch: Epoch) -> None:
        self._score = f"  validation {selecting(epoch, self._select)}"
        self._progress.update(self._task, numbers=f"epoch {epoch.epoch}/{self._epochs}{self._score}")

    def resumed(self, at: Position) -> None:
        self._progress.update(self._task, numbers=describe_resumption(at))


class PackingProgress:
    """Counts images while a dataset is packed, or its pack is compared with what was packed.

    Args:
        dataset: its name.
        quiet: show nothing.
        patience: seconds before a line says that a pack is being compared.
    """

    def __init__(self, dataset: str, *, quiet: bool, patience: float = 5.0) -> None:
        self._dataset = dataset
        self._quiet = quiet
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.completed:,.0f} images"),
            console=console,
            transient=True,
            disable=quiet or not (console.is_terminal and is_live_terminal()),
        )
        self._task = self._progress.add_task(f"packing {dataset}", total=None)
        self._seen = 0
        self._started = time.perf_counter()
        self._patience = patience
        self._compared = 0
        self._comparing = self._started

    def __enter__(self) -> PackingProgress:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._progress.stop()
        if self._seen and kind is None and not self._quiet:
            spent = time.perf_counter() - self._started
            print(f"packed {self._dataset}: {self._seen:,} samples in {spent:.1f} s", file=sys.stderr, flush=True)

    def __call__(self, images: int) -> None:
        """``images`` have been packed so far."""
        self._seen = images
        self._progress.update(self._task, completed=images, description=f"packing {self._dataset}")

    def compared(self, images: int, total: int) -> None:
        """``images`` of the ``total`` of a pack have been compared with their hashes."""
        now = time.perf_counter()
        if not self._compared or images <= self._compared:  # another pack, or the same once more
            self._comparing = now
        self._compared = images
        what = f"comparing the {total:,} images of {self._dataset} with what was packed"
        self._progress.update(self._task, completed=images, description=what)
        spent = now - self._comparing
        if spent > self._patience and images < total and not self._quiet:
            self._patience = math.inf
            left = spent * (total - images) / images
            print(f"{what}: about {left:,.0f} s more", file=sys.stderr, flush=True)


@contextmanager
def counting(noun: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal while things are gone through one after the other, and nothing elsewhere.

    Args:
        noun: what they are called.
        total: how many there are, where that is known.

    Yields:
        What is told how many have been gone through.
    """
    console = Console(stderr=True)
    columns = (TextColumn(noun), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not (console.is_terminal and is_live_terminal())
    ) as progress:
        task = progress.add_task(noun, total=total)
        yield lambda seen: progress.update(task, completed=seen)
