"""What is refused of a model before it trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_packs import make_pack
from test_assemble import COUNTS, planned
from torch import nn

from ferbench.data.order import Lengths, Order
from ferbench.errors import UserError
from ferbench.training.building import check_single_images

CLASSES = tuple(COUNTS["train"])


def normed() -> nn.Module:
    """Its batch norm sees one value per channel of an image."""
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3))


def plan_of(**settings):
    return planned(make_pack(COUNTS, classes=CLASSES), **settings)


def test_a_batch_size_of_one_is_refused_for_a_batch_norm_that_sees_one_value():
    with pytest.raises(UserError, match="cannot train on one image at a time") as refused:
        check_single_images(plan_of(batch_size=1), normed())
    assert "training.batch_size to 2 or more" in refused.value.remedy


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
        nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 3)),
        nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64).eval().requires_grad_(False)),
    ],
    ids=["no batch norm", "one that sees pixels", "frozen"],
)
def test_a_batch_size_of_one_is_fine_for_other_models(model):
    frozen = [module for module in model if not module.training]
    for module in frozen:  # as a frozen backbone does
        module.train = lambda mode=True, module=module: module
    check_single_images(plan_of(batch_size=1), model)


def test_an_image_that_grows_is_tried_at_its_smallest():
    model = nn.Sequential(nn.AvgPool2d(8), nn.BatchNorm2d(1), nn.Flatten(), nn.LazyLinear(3))
    model.eval()(torch.zeros(1, 1, 16, 16))
    plan = plan_of(batch_size=1, start_size=8, epochs=5)
    with pytest.raises(UserError, match="one image at a time"):
        check_single_images(plan, model)


def test_trying_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.BatchNorm2d(1, momentum=0.5), nn.Flatten(), nn.Linear(64, 3)).eval()
    nn.init.constant_(model[0].running_mean, 3.0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check_single_images(plan_of(batch_size=1), model)
    assert not model.training
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }


def test_so_is_a_whole_batch_of_one_that_the_sampler_gives():
    plan = plan_of(batch_size=16)
    alone = replace(plan, lengths=Lengths.of(Order.of([np.arange(4), np.arange(1)])))
    with pytest.raises(UserError, match="cannot train on one image at a time") as refused:
        check_single_images(alone, normed())
    assert "let the sampler give batches of two or more" in refused.value.remedy
    check_single_images(replace(plan, lengths=Lengths.of(Order.of([np.arange(4)]))), normed())


@pytest.mark.parametrize("settings", [{"batch_size": 16}, {"batch_size": 1, "epochs": 0}], ids=["larger", "untrained"])
def test_where_no_batch_has_one_image_nothing_is_refused(settings):
    check_single_images(plan_of(**settings), normed())
