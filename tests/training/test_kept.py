"""What reaches a loss of what a model gives: what it needs, whole, and of every view."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ferbench.data.draws import Draws
from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError
from ferbench.training.evaluation import averaged
from ferbench.training.kept import Keeping, stacked
from ferbench.training.mixing import Mixing
from ferbench.training.precision import Precision
from ferbench.training.step import Stepper, forward

CPU = torch.device("cpu")
NEEDS = ("features", "classifier", "maps")


class Giving(nn.Module):
    """Gives all that outputs can have, and something that nobody needs."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(6, 4), nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(4) if norm else nn.Identity()
        self.sizes: list[int] = []
        self.limit = 10**9

    def forward(self, images: torch.Tensor) -> Outputs:
        self.sizes.append(len(images))
        if len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        features = self.norm(self.body(images.flatten(1)))
        extra = {"maps": features[:, :, None, None].expand(-1, -1, 2, 2), "secret": features}
        return Outputs(self.head(features), features[:, :2], features, extra, self.head)


def images(n: int = 6, views: int = 1, seed: int = 1) -> torch.Tensor:
    made = torch.rand(n, views, 1, 2, 3, generator=torch.Generator().manual_seed(seed))
    return made[:, 0] if views == 1 else made


def test_without_a_need_there_are_logits_and_affect_alone():
    outputs = forward(Giving(), images())
    assert (outputs.features, outputs.classifier, outputs.extra, outputs.others) == (None, None, {}, ())
    assert outputs.affect is not None


def test_what_is_needed_is_there_and_nothing_else():
    model = Giving()
    outputs = forward(model, images(), NEEDS)
    assert list(outputs.extra) == ["maps"]
    assert outputs.extra["maps"].shape == (6, 4, 2, 2)
    torch.testing.assert_close(outputs.classifier(outputs.features), outputs.logits)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("features", torch.ones(6, 4, 1), r"float32\[6, 4, 1\] as features for 6 images, not floats of shape \(6, D\)"),
        ("features", torch.ones(5, 4), r"float32\[5, 4\] as features"),
        ("features", [1.0], "list as features"),
        ("branch", torch.ones(6, dtype=torch.int64), r"int64\[6\] as branch for 6 images"),
        ("branch", torch.tensor(1.0), r"float32\[\] as branch"),
        ("classifier", 3, "int as classifier, which cannot be called"),
        ("features", None, "needs features, which the model does not give as it is set"),
        ("branch", None, "needs branch"),
    ],
)
def test_what_is_needed_and_missing_or_misshapen_is_refused(name, given, said):
    class Odd(nn.Module):
        def forward(self, images):
            part = {name: given} if name != "branch" else {"extra": {} if given is None else {name: given}}
            return Outputs(torch.ones(len(images), 3), **part)

    forward(Odd(), images())
    with pytest.raises(UserError, match=said):
        forward(Odd(), images(), (name,))


def test_views_go_through_the_model_together_and_come_back_apart():
    model, several = Giving(), images(4, views=3)
    outputs = forward(model, several, NEEDS)
    assert model.sizes == [12]
    for view, part in enumerate((outputs, *outputs.others)):
        alone = forward(model, several[:, view], NEEDS)
        for mine, other in ((part.logits, alone.logits), (part.extra["maps"], alone.extra["maps"])):
            torch.testing.assert_close(mine, other)
        assert part.classifier is model.head
    assert len(outputs.others) == 2


def test_batch_norm_sees_all_views():
    model, several = Giving(norm=True), images(5, views=2)
    forward(model, several)
    other = Giving(norm=True)
    other.load_state_dict({**model.state_dict(), **nn.BatchNorm1d(4).state_dict(prefix="norm.")})
    other(several.transpose(0, 1).flatten(0, 1))
    torch.testing.assert_close(model.norm.running_mean, other.norm.running_mean)


def test_of_a_whole_batch_views_are_stacked_without_a_copy():
    made = torch.rand(6, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    several = made.unflatten(0, (2, 3)).transpose(0, 1)
    assert stacked(several).data_ptr() == made.data_ptr()
    assert torch.equal(stacked(several), made)
    assert stacked(several[1:]).is_contiguous(memory_format=torch.channels_last)


def consistency(outputs: Outputs, targets: Targets) -> LossValue:
    total = nn.functional.cross_entropy(outputs.logits, targets.labels)
    other = outputs.others[0]
    total = total + (outputs.features - other.features).square().mean()
    return LossValue(total + nn.functional.cross_entropy(outputs.classifier(other.features), targets.labels))


def stepped(limit: int = 10**9, parts: int = 1) -> tuple[Giving, torch.Tensor, Stepper]:
    torch.manual_seed(0)
    model = Giving()
    model.limit = limit
    stepper = Stepper(
        model, consistency, torch.optim.SGD(model.parameters(), lr=0.5), CPU, needs=("features", "classifier")
    )
    several, targets = images(8, views=2), Targets(torch.arange(8) % 3)
    cut = [(8 * k // parts, 8 * (k + 1) // parts) for k in range(parts)]
    result = stepper.step([(several[a:b], targets.slice(a, b)) for a, b in cut])
    return model, result.loss, stepper


@pytest.mark.parametrize("case", [{"limit": 5}, {"parts": 2}, {"parts": 2, "limit": 4}], ids=str)
def test_pieces_and_several_batches_make_the_update_of_one_with_views_too(case):
    (whole, expected, _), (model, loss, _) = stepped(), stepped(**case)
    torch.testing.assert_close(loss, expected)
    for mine, theirs in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_micro_batch_counts_samples_with_all_their_views():
    model, _, stepper = stepped(limit=5)
    assert stepper.micro_batch == 2
    assert model.sizes[-4:] == [4, 4, 4, 4]


def test_lower_precision_becomes_float32_in_every_part():
    precision = Precision("bf16", CPU)
    with precision.autocast():
        outputs = forward(Giving(), images(4, views=2), NEEDS)
    assert outputs.features.dtype == torch.bfloat16
    full = precision.full(outputs)
    parts = [full.logits, full.features, full.extra["maps"], full.others[0].features, full.others[0].extra["maps"]]
    assert {part.dtype for part in parts} == {torch.float32}
    assert full.classifier(full.features).dtype == torch.float32


def test_over_several_looks_features_are_averaged_and_the_rest_is_the_plain_looks():
    model, (one, other) = Giving(), (images(seed=1), images(seed=2))
    first, second = (forward(model, each, NEEDS) for each in (one, other))
    mean = averaged([first, second])
    torch.testing.assert_close(mean.features, (first.features + second.features) / 2)
    assert torch.equal(mean.extra["maps"], first.extra["maps"])
    assert mean.classifier is model.head


def test_what_wraps_a_model_sees_no_more_than_is_needed():
    outputs = Keeping(Giving(), ("features",))(images())
    assert outputs.features is not None
    assert (outputs.extra, outputs.classifier) == ({}, None)


def test_mixing_tells_the_positions_the_epoch_and_the_counts_still():
    targets = Targets(torch.arange(4) % 3, positions=torch.arange(4), epoch=2, class_counts=torch.tensor([2, 1, 1]))
    numbers = np.arange(4)
    _, mixed = Mixing(0.4, 0.0, 1.0, 3)(images(4), targets, Draws(0, 2, numbers, numbers))
    assert mixed.soft is not None
    assert torch.equal(mixed.labels, targets.labels[mixed.positions])  # of the larger share
    assert (mixed.epoch, mixed.class_counts) == (2, targets.class_counts)
