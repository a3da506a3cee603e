"""What a loss makes of a teacher, where it needs one."""

from __future__ import annotations

import torch
from torch import Tensor

from ferbench.testing.losses.bench import RULES, LossBench, rule, tensors, total_of
from ferbench.testing.rules import Violation


@RULES.rule()
def reads_teacher(bench: LossBench) -> str | None:
    """What a teacher says counts, where it needs one."""
    if not bench.taught:
        return "it needs none"
    for one in filter(None, (bench, bench.in_last_epoch())):
        targets, others = one.targets(), one.targets()
        others.teacher = one.teacher(-1.0)
        with torch.no_grad():
            here, there = (total_of(one.build(), one.outputs(), each) for each in (targets, others))
        if not torch.allclose(here, there):
            return None
    raise Violation("it costs the same whatever the teacher says: leave 'teacher' out of its needs")


@rule()
def teacher_learns_nothing(bench: LossBench) -> str | None:
    """No gradient goes into the teacher."""
    if not bench.taught:
        return "it needs none"
    targets = bench.targets()
    assert targets.teacher is not None
    teacher = targets.teacher.each(Tensor.requires_grad_)
    total = total_of(bench.build(), bench.outputs(), targets)
    if total.requires_grad:
        total.backward()
        reached = [name for name, part in tensors(teacher).items() if part.grad is not None]
        if reached:
            where = f"targets.teacher.{reached[0]}"
            raise Violation(f"a gradient goes into {where}: read {where}.detach()")
    return None
