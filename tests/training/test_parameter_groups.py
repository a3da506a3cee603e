import pytest
import torch
from torch import nn

from ferbench import UserError
from ferbench.experiment.recipe import TrainingSettings
from ferbench.training.parameter_groups import parameter_groups, scaled


class Headed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)
        self.head = nn.Linear(3, 2)

    def head_parameters(self):
        return self.head.parameters()


def rates_and_decays(model: nn.Module, **settings) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay of each parameter, by name."""
    groups = parameter_groups(model, TrainingSettings(**settings))
    optimizer = scaled(torch.optim.SGD(groups, lr=0.1, weight_decay=0.01))
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}


def test_defaults_give_the_plain_parameters_in_order():
    model = Headed()
    groups = parameter_groups(model, TrainingSettings())
    assert [id(p) for p in groups] == [id(p) for p in model.parameters()]


def test_the_head_learns_at_a_multiple_of_the_rate():
    found = rates_and_decays(Headed(), head_lr_factor=10.0)
    assert {name for name, (lr, _) in found.items() if lr == pytest.approx(1.0)} == {"head.weight", "head.bias"}
    assert {name for name, (lr, _) in found.items() if lr == 0.1} == {
        "body.weight",
        "body.bias",
        "norm.weight",
        "norm.bias",
    }


def test_biases_and_norms_can_be_spared_the_weight_decay():
    found = rates_and_decays(Headed(), decay_all=False, head_lr_factor=10.0)
    assert {name for name, (_, decay) in found.items() if decay == 0.01} == {"body.weight", "head.weight"}
    assert found["head.bias"] == (pytest.approx(1.0), 0.0)


def test_frozen_parameters_are_left_out():
    model = Headed()
    model.body.requires_grad_(False)
    for settings in (TrainingSettings(), TrainingSettings(head_lr_factor=2.0)):
        optimizer = torch.optim.SGD(parameter_groups(model, settings), lr=0.1)
        assert {id(p) for g in optimizer.param_groups for p in g["params"]} == {
            id(p) for module in (model.norm, model.head) for p in module.parameters()
        }


def test_a_factor_for_a_model_without_a_head_is_refused():
    with pytest.raises(UserError, match="head_lr_factor = 2") as error:
        parameter_groups(nn.Linear(2, 2), TrainingSettings(head_lr_factor=2.0))
    assert "head_parameters()" in error.value.remedy


def test_nothing_to_train_is_refused():
    with pytest.raises(UserError, match="frozen"):
        parameter_groups(nn.Linear(2, 2).requires_grad_(False), TrainingSettings())
