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


class Margins(nn.Module):
    """A loss with a head and a margin for each class."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2, bias=False)
        self.margins = nn.Parameter(torch.zeros(2))


def groups_of(loss: nn.Module, **settings) -> list[dict]:
    groups = parameter_groups(Headed(), TrainingSettings(**settings), list(loss.parameters()))
    return scaled(torch.optim.SGD(groups, lr=0.1, weight_decay=0.01)).param_groups


def test_the_losss_parameters_are_groups_of_their_own_after_the_models():
    loss = Margins()
    model, own = groups_of(loss)
    assert len(model["params"]) == 6
    assert [id(p) for p in own["params"]] == [id(p) for p in loss.parameters()]
    assert (own["lr"], own["weight_decay"]) == (model["lr"], model["weight_decay"]) == (0.1, 0.01)


@pytest.mark.parametrize(
    ("settings", "rates", "decays"),
    [
        ({"loss_lr_factor": 5.0}, (0.5,), (0.01,)),
        ({"loss_lr_factor": 5.0, "loss_decay": False}, (0.5,), (0.0,)),
        ({"loss_lr_factor": 5.0, "decay_all": False}, (0.5, 0.5), (0.0, 0.01)),
        ({"head_lr_factor": 2.0}, (0.1,), (0.01,)),
    ],
)
def test_rate_and_decay_of_the_losss_parameters_are_set_apart(settings, rates, decays):
    loss = Margins()
    own = [group for group in groups_of(loss, **settings) if id(group["params"][0]) in map(id, loss.parameters())]
    assert [group["lr"] for group in own] == pytest.approx(rates)
    assert [group["weight_decay"] for group in own] == list(decays)
    assert sum(len(group["params"]) for group in own) == 2


@pytest.mark.parametrize(("field", "value"), [("loss_lr_factor", 2.0), ("loss_decay", False)])
def test_settings_of_a_loss_without_parameters_are_refused(field, value):
    with pytest.raises(UserError, match=rf"training\.{field} = .*: the loss has no parameters to train"):
        parameter_groups(Headed(), TrainingSettings(**{field: value}))
