"""How training shows in a notebook: one output that is updated in place, without control characters of terminals."""

from __future__ import annotations

import time
from contextlib import suppress
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ferbench.records.epoch import Epoch, selecting
from ferbench.training.observer import Observer

if TYPE_CHECKING:
    from ferbench.training.position import Position

_PAUSE = 0.25  # seconds between two updates


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, which shows HTML."""
    import builtins

    shell = getattr(builtins, "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


class NotebookProgress(Observer):
    """A bar, the last epoch's scores and the best so far.

    Args:
        title: which run.
        epochs: that are planned.
        select: as ``training.select`` has it.
    """

    def __init__(self, title: str, epochs: int, select: str = "macro_f1") -> None:
        self._select = select
        self._title, self._epochs = title, epochs
        self._done, self._shown = 0.0, 0.0
        self._line = ""
        self._handle: Any = None

    def __enter__(self) -> NotebookProgress:
        from IPython.display import display

        with suppress(Exception):
            self._handle = display(self, display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._line = f"{self._line} ended by {kind.__name__}".strip()
        self._update()

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        self._done = epoch - 1 + images / max(total, 1)
        if time.monotonic() - self._shown > _PAUSE:
            self._update()

    def epoch_ended(self, epoch: Epoch) -> None:
        self._done = float(epoch.epoch)
        scores = epoch.validation.metrics
        best = ", the best so far" if epoch.best else ""
        further = "" if self._select in ("accuracy", "macro_f1") else f", {selecting(epoch, self._select)}"
        self._line = (
            f"epoch {epoch.epoch}/{self._epochs}: validation accuracy {scores['accuracy']:.4f}, "
            f"macro-F1 {scores['macro_f1']:.4f}{further}{best}"
        )
        self._update()

    def resumed(self, at: Position) -> None:
        self._line = f"resumed at epoch {at.epoch}"

    def stopped(self, epoch: int, reason: str) -> None:
        self._line = f"{self._line}; stopped after epoch {epoch}: {reason}"

    def _update(self) -> None:
        self._shown = time.monotonic()
        if self._handle is not None:
            try:
                self._handle.update(self)
            except Exception:  # nobody is there to see it: the training goes on
                self._handle = None

    def __repr__(self) -> str:
        return f"{self._title}: {self._line or 'begins'}"

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self._done:.3f}" max="{max(self._epochs, 1)}"></progress>'
        return f"<div>{escape(self._title)} {bar} {escape(self._line)}</div>"
