"""Whether outputs of weights from elsewhere, or imported classes, are likely named in the wrong order."""

from __future__ import annotations

from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory
from ferbench.statistics.label_order import label_order

_LEVEL = 0.01  # of the permutation test
_LEAST_GAIN = 0.05  # of accuracy; classes that are hard to tell apart gain less


def order_line(directory: RunDirectory, record: Run) -> str:
    """What to say where another order of the classes fits far better than chance explains; else nothing.

    It is looked for on validation, where a run has one: an order that was chosen on the test set would be fitted to it,
    and so what is found there is not given away.
    """
    if record.kind != "imported" and not record.is_foreign:
        return ""
    found = record.own_evaluations("validation") or record.own_evaluations("test")
    name, entry = next(iter(found.items()), (None, None))
    stored = None if name is None else directory.load_evaluation(name)
    if entry is None or stored is None or stored.confusion is None:
        return ""
    best = label_order(stored.confusion, least_gain=_LEAST_GAIN)
    if best is None or best.p > _LEVEL:
        return ""
    names = stored.class_names
    start = (
        f"the order of the labels is likely wrong: on {entry.split} accuracy is {best.accuracy:.4f} as they are named "
        f"and {best.best:.4f} in another order (p = {best.p:.3f})"
    )
    if entry.split != "validation":
        return f"{start}; look up the right order where the model comes from, or find it on other samples than these"
    moved = [f"{names[own]} fits {names[place]}" for own, place in enumerate(best.classes) if own != place]
    return f"{start}: what is named {', '.join(moved)}; name the outputs in the order that they have"
