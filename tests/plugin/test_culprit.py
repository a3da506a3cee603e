"""Whose fault an exception is."""

from __future__ import annotations

import asyncio
import sys
from types import FunctionType

import pytest
import torch
from torch import nn

from ferbench import Outputs, Targets, UserError
from ferbench.plugin.component import Component, PluginRecord
from ferbench.plugin.culprit import blame, in_a_line, in_use, named, using
from ferbench.plugin.specs import CommandSpec, LossSpec, ModelSpec, Spec
from ferbench.training.step import evaluate_loss, forward, is_out_of_memory


def component(spec: Spec, local: bool = False) -> Component:
    record = PluginRecord("arc", "arc-margin", "0.2.0", "arc", "ok", None, 0.0, (spec,), "arc", local=local)
    return Component(spec.kind, spec, record)


MODEL, LOSS = component(ModelSpec("net", "arc.net:build")), component(LossSpec("margin", "arc.loss:build"))
TARGETS = Targets(torch.zeros(2, dtype=torch.int64))


def failing(outputs, targets):
    raise ValueError("boom\x1b[31m\non two lines")


def in_module(name: str) -> FunctionType:
    """`failing`, as if it stood in a module of that name."""
    return FunctionType(failing.__code__, {**globals(), "__name__": name})


def test_an_exception_names_the_component_that_was_called():
    with pytest.raises(ValueError, match="boom") as raised, using(MODEL, LOSS):
        evaluate_loss(failing, Outputs(torch.zeros(2, 2)), TARGETS)
    said = "loss 'margin' of plugin 'arc' (arc-margin 0.2.0) raised ValueError: boom on two lines"
    assert raised.value.__notes__ == [f"{said}\n  → report it to the authors of arc-margin; the trace shows where"]
    assert in_a_line(raised.value) == named(raised.value) == said


def test_a_model_of_plain_layers_is_named_too():
    with pytest.raises(RuntimeError) as raised, using(MODEL, LOSS):
        forward(nn.Linear(3, 2), torch.zeros(2, 5))
    assert named(raised.value).startswith("model 'net' of plugin 'arc' (arc-margin 0.2.0) raised RuntimeError: ")


def test_code_of_a_plugin_that_is_called_from_elsewhere_is_known_by_its_module():
    backward = in_module("arc.loss")
    with pytest.raises(ValueError, match="boom") as raised, using(MODEL, LOSS):
        backward(None, None)
    assert named(raised.value).startswith("loss 'margin' of plugin 'arc'")


def test_code_beside_several_components_of_a_plugin_is_the_plugins():
    helper = in_module("arc.shared")
    with pytest.raises(ValueError, match="boom") as raised, using(MODEL, LOSS):
        helper(None, None)
    assert named(raised.value) == "plugin 'arc' (arc-margin 0.2.0) raised ValueError: boom on two lines"


def test_an_exception_is_blamed_once():
    with pytest.raises(ValueError, match="boom") as raised, using(MODEL), using(LOSS):
        evaluate_loss(failing, Outputs(torch.zeros(2, 2)), TARGETS)
    blame(raised.value, MODEL)
    (note,) = raised.value.__notes__
    assert note.startswith("loss 'margin'")


@pytest.mark.parametrize(
    "error",
    [UserError("wrong", "right"), KeyboardInterrupt(), MemoryError(), torch.OutOfMemoryError("CUDA out of memory")],
    ids=lambda error: type(error).__name__,
)
def test_what_is_no_bug_is_nobodys_fault(error):
    def raising(outputs, targets):
        raise error

    with pytest.raises(type(error)) as raised, using(LOSS, innocent=is_out_of_memory):
        evaluate_loss(raising, Outputs(torch.zeros(2, 2)), TARGETS)
    assert named(raised.value) == ""


def test_what_is_no_exception_of_the_ordinary_kind_is_blamed_too():
    def cancelled(outputs, targets):
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="it raises CancelledError") as raised, using(LOSS):
        evaluate_loss(cancelled, Outputs(torch.zeros(2, 2)), TARGETS)
    assert named(raised.value).startswith("loss 'margin'")


def test_a_bug_of_the_harness_is_no_plugins():
    with pytest.raises(ZeroDivisionError) as raised, using(MODEL, LOSS):
        _ = 1 / 0
    assert named(raised.value) == ""
    assert in_a_line(raised.value) == "ZeroDivisionError: division by zero"


def test_a_local_plugin_is_the_readers_own():
    with pytest.raises(ValueError, match="boom") as raised, using(component(LOSS.spec, local=True)):
        evaluate_loss(failing, Outputs(torch.zeros(2, 2)), TARGETS)
    assert raised.value.__notes__[0].endswith("\n  → correct the plugin; the trace shows where")


def test_a_message_names_what_is_in_use_where_that_is_known():
    assert in_use("loss") == "the loss"
    with using(MODEL, LOSS):
        assert in_use("loss") == "loss 'margin' of plugin 'arc' (arc-margin 0.2.0)"
        assert in_use("sampler") == "the sampler"


def ending(outputs, targets):
    sys.exit(0)


def test_a_component_that_ends_the_program_fails_and_does_not_pass_for_success():
    with pytest.raises(RuntimeError) as raised, using(MODEL, LOSS):
        evaluate_loss(ending, Outputs(torch.zeros(2, 2)), TARGETS)
    said = "loss 'margin' of plugin 'arc' (arc-margin 0.2.0) raised RuntimeError: it ends the program: SystemExit(0)"
    assert named(raised.value) == said


def test_a_command_may_end_the_program():
    command = component(CommandSpec("send", "arc.send:send"))
    with pytest.raises(SystemExit), using(command):
        FunctionType(ending.__code__, {**globals(), "__name__": "arc.send"})(None, None)


def test_an_error_of_the_users_is_one_in_a_plugins_own_class_too():
    class Unlicensed(UserError):
        pass

    Unlicensed.__module__ = "arc.errors"

    def raising(outputs, targets):
        raise Unlicensed("no licence", "buy one")

    with pytest.raises(Unlicensed) as raised, using(MODEL, LOSS):
        evaluate_loss(raising, Outputs(torch.zeros(2, 2)), TARGETS)
    assert not named(raised.value)
