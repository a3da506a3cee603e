"""Classes of a task and labels of a checkpoint, matched by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ferbench import UserError, expressions

#: Words that a label of an expression classifier means an expression by, and that a dataset's class need not.
_IN_CHECKPOINTS = {"normal": "neutral", "smile": "happy"}


def rows_of_classes(
    class_names: Sequence[str], labels: Mapping[int, str], *, new_classes: bool, checkpoint: str
) -> list[int | None]:
    """The checkpoint's label id for each class of the task; None for a class that it has no label for.

    A label of the same spelling wins over one that differs in case alone, and that over a synonym.

    Args:
        class_names: of the task, in the order of its class ids.
        labels: the checkpoint's ``id2label``.
        new_classes: whether a class may lack a label.
        checkpoint: what errors call it.

    Raises:
        UserError: a class has no label and ``new_classes`` is false, or two labels stand for one class or the other way
            round.
    """
    rows = [_row(name, labels, checkpoint) for name in class_names]
    lacking = [name for name, row in zip(class_names, rows, strict=True) if row is None]
    if lacking and not new_classes:
        raise UserError(
            f"{checkpoint} has no label for {', '.join(lacking)}; its labels: {', '.join(labels.values())}; "
            f"the task's classes: {', '.join(class_names)}",
            "keep the classes that it knows with data.classes, or say --set model.new_classes=true and fine-tune",
        )
    for place, row in enumerate(rows):
        if row is not None and (first := rows.index(row)) < place:
            raise UserError(
                f"{checkpoint}: its label '{labels[row]}' stands for the classes '{class_names[first]}' and "
                f"'{class_names[place]}' alike",
                "keep one of them with data.classes",
            )
    return rows


def _row(name: str, labels: Mapping[int, str], checkpoint: str) -> int | None:
    same = [row for row, label in labels.items() if label == name]
    same = same or [row for row, label in labels.items() if _plain(label) == _plain(name)]
    alike = same or [row for row, label in labels.items() if _canonical(label) == _canonical(name)]
    if len(alike) > 1:
        found = " and ".join(f"'{labels[row]}'" for row in alike)
        raise UserError(
            f"{checkpoint}: the labels {found} both stand for the class '{name}'",
            "choose another checkpoint, or rename the labels in its config.json",
        )
    return alike[0] if alike else None


def _plain(name: str) -> str:
    return name.strip().lower()


def _canonical(name: str) -> str:
    return expressions.class_key(_IN_CHECKPOINTS.get(_plain(name), name))
