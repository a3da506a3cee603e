"""Classes of a task and the labels of a foreign system, matched by name."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench import UserError, expressions


def rows_of_classes(class_names: Sequence[str], labels: Sequence[str], system: str) -> list[int]:
    """The output of a system for each class of a task.

    Args:
        class_names: of the task, in the order of its class ids.
        labels: of the system, in the order of its outputs.
        system: what errors call it.

    Raises:
        UserError: a class has no label, or several.
    """
    keys = [expressions.class_key(label) for label in labels]
    found = [[row for row, key in enumerate(keys) if key == expressions.class_key(name)] for name in class_names]
    lacking = [name for name, rows in zip(class_names, found, strict=True) if not rows]
    if lacking:
        raise UserError(
            f"{system} has no label for {', '.join(lacking)}; its labels: {', '.join(labels)}",
            "keep the classes that it knows with data.classes",
        )
    for name, rows in zip(class_names, found, strict=True):
        if len(rows) > 1:
            alike = " and ".join(f"'{labels[row]}'" for row in rows)
            raise UserError(f"{system}: the labels {alike} both stand for the class '{name}'", "give each label once")
    return [rows[0] for rows in found]
