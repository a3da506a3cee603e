"""What a loss takes, gives and leaves alone."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError
from ferbench.metrics.measures import component_fault
from ferbench.plugin.faults import describe
from ferbench.plugin.partners import TEACHER
from ferbench.testing.losses.bench import GIVEN, RULES, SAMPLES, LossBench, copied, rule, tensors, value_of
from ferbench.testing.rules import NotApplicable, Violation
from ferbench.training.step import is_number
from ferbench.training.undeclared import Unnamed, watched


@RULES.rule(gate=True)
def builds(bench: LossBench) -> None:
    """The builder returns something that can be called."""
    bench.build()


@rule(gate=True)
def needs(bench: LossBench) -> str:
    """Of outputs it reads logits, affect and what its spec's `needs` names, and nothing else."""
    logits, affect = bench.outputs().logits.detach(), bench.outputs().affect
    assert affect is not None
    others = [name for name in dict.fromkeys([*GIVEN, TEACHER, *bench.could_give]) if name not in bench.spec.needs]

    def works(names: Sequence[str]) -> bool:
        given, targets = bench.made_up(logits, affect, names), bench.targets()
        targets.teacher = bench.teacher() if TEACHER in names else targets.teacher
        try:
            with torch.no_grad():
                bench.build()(watched(given), targets)
        except Unnamed as error:
            if error.args[0] not in others:  # nobody here gives it, so that there is none to try it with
                named = (*bench.spec.needs, error.args[0])
                raise Violation(f"it reads {error.args[0]}: name it, LossSpec(needs={named})") from None
            return False
        except Exception:  # other rules will say what it is, where it fails with everything too
            return False
        return True

    if not works(bench.needs) and works([*bench.needs, *others]):
        read = tuple(name for name in others if not works([*bench.needs, *(each for each in others if each != name)]))
        raise Violation(f"it fails without {' and '.join(read)}: name it, LossSpec(needs={(*bench.spec.needs, *read)})")
    return f"it reads {', '.join(['logits', *bench.spec.needs])}"


@rule(gate=True)
def scalar(bench: LossBench) -> str:
    """It returns one number, and components of one number each."""
    outputs = bench.outputs()
    try:
        value = value_of(bench.build(), outputs, bench.targets())
    except Exception as error:
        if not bench.guessed or isinstance(error, UserError):
            raise
        name = bench.guessed[0]
        raise Violation(
            f"{describe(error)}; made-up '{name}' has the shape of logits, {list(outputs.extra[name].shape)}; "
            "name the model that gives it with --model"
        ) from error
    if not isinstance(value, LossValue | Tensor):
        raise Violation(f"it returns {type(value).__name__}, neither LossValue nor a tensor")
    value = value if isinstance(value, LossValue) else LossValue(value)
    for name, part in {"the total": value.total, **value.components}.items():
        if not is_number(part):
            got = f"{part.dtype}{list(part.shape)}" if isinstance(part, Tensor) else type(part).__name__
            raise Violation(f"{name} is {got} for {SAMPLES} samples, no single number; return the mean")
    return f"components: {', '.join(value.components) or 'none'}"


@RULES.rule()
def one_view(bench: LossBench) -> str | None:
    """It works with one view of each sample, which is all that evaluation has."""
    if len(bench.spec.views) == 1:
        return "it asks for no other views"
    assert bench.outputs().affect is not None
    alone = bench.made_up(bench.outputs().logits, bench.affect, views=1)
    try:
        total = bench.evaluated(bench.build(), alone, bench.targets())
    except (IndexError, ValueError) as error:
        raise Violation(f"without outputs.others it raises {type(error).__name__}: {error}") from None
    if not total.isfinite():
        raise Violation(f"without outputs.others it is {total.item()}")
    return None


@rule()
def component_names(bench: LossBench) -> None:
    """Its components have names of their own, which nothing else in the records has."""
    value = value_of(bench.build(), bench.outputs(), bench.targets())
    for name in value.components if isinstance(value, LossValue) else ():
        fault = component_fault(name)
        if fault is not None:
            raise Violation(f"component {name!r} {fault}")


@rule()
def inputs_unchanged(bench: LossBench) -> None:
    """Outputs and targets that it is given stay as they are."""
    certain = torch.nn.functional.one_hot(bench.labels, bench.classes).float()
    for soft in (None, certain):
        for learning in (True, False):
            outputs, targets = copied(bench.outputs()), bench.targets(soft)
            pairs: list[tuple[Outputs | Targets, Outputs | Targets]]
            pairs = [(copied(outputs), outputs), (copied(targets), targets)]
            with torch.set_grad_enabled(learning), contextlib.suppress(UserError):  # of one that takes no distributions
                bench.build()(outputs, targets)
            for before, after in pairs:
                was, is_now = tensors(before), tensors(after)
                for name in was.keys() | is_now.keys():
                    if name not in was or name not in is_now or not torch.equal(was[name], is_now[name]):
                        raise Violation(f"it changes {name} in place: compute with a copy, such as {name}.clone()")


@rule()
def evaluation(bench: LossBench) -> None:
    """It works where nothing is learnt, as in validation: without positions, epoch, class counts and teacher."""
    loss = bench.build()
    value_of(loss, bench.outputs(), bench.targets())
    for one in (bench.build(), loss):
        try:
            bench.evaluated(one, bench.outputs(), bench.in_validation())
        except AttributeError as error:
            if bench.taught and "NoneType" in str(error):
                raise Violation(f"it fails where targets.teacher is None, as in validation: {error}") from None
            raise


@rule(gate=True)
def same_in_evaluation(bench: LossBench) -> None:
    """In evaluation mode it draws nothing at random: the same predictions cost the same."""
    outputs = dataclasses.replace(bench.outputs(), others=())
    try:
        here, there = (float(bench.evaluated(bench.build(), outputs, bench.in_validation(), seed)) for seed in range(2))
    except Exception:  # what it is, the rule before says
        raise NotApplicable("it does not work where nothing is learnt") from None
    if not math.isclose(here, there, rel_tol=1e-6):
        raise Violation(
            f"in validation it is {here:.4g}, and {there:.4g} for the same predictions: let an nn.Module register what "
            "drops or draws, which eval() then turns off, or draw only while self.training"
        )


@rule()
def device(bench: LossBench) -> None:
    """It works on the device that the predictions are on."""
    loss, elsewhere = bench.build(), torch.device("meta")
    loss = loss.to(elsewhere) if isinstance(loss, nn.Module) else loss
    outputs = bench.outputs().each(lambda part: part.to(elsewhere))
    targets = bench.targets().each(lambda part: part.to(elsewhere))
    assert targets.class_counts is not None
    targets.class_counts = targets.class_counts.to(elsewhere)
    try:
        value_of(loss, outputs, targets)
    except (RuntimeError, NotImplementedError) as error:
        if "expected device" in str(error) or "same device" in str(error):
            raise Violation(
                "it keeps tensors where it was built: take them to outputs.logits.device, or make it an nn.Module "
                "with buffers"
            ) from None
        raise NotApplicable("it looks at values, which a trial without a second device has none of") from None
