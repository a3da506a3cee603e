"""A loss that learns: parameters that are trained, a memory of the samples, labels that it corrects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_loop import CLASSES, Log, Order, training
from test_snapshots import Every
from test_step import CPU, Limited, batch
from torch import nn

from ferbench import LossValue, Outputs, Targets, UserError
from ferbench.data.corrections import Corrections
from ferbench.training.ema import averaged
from ferbench.training.loop import Training, fit
from ferbench.training.loss_state import late, shaped, trainable
from ferbench.training.observer import Observer
from ferbench.training.snapshot_check import misfit
from ferbench.training.snapshots import Snapshots, restore_random
from ferbench.training.step import Stepper, evaluate_loss


class Learning(nn.Module):
    """Cross-entropy of scaled logits, pulled towards what was predicted before; samples that the model is unsure of
    get the less likely class."""

    memory: torch.Tensor | None

    def __init__(self, unsure: float = 0.7) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))
        self.register_buffer("memory", None)
        self.unsure = unsure

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        logits = outputs.logits * self.scale
        total = nn.functional.cross_entropy(logits, targets.labels)
        if targets.positions is None:
            return LossValue(total)
        assert targets.class_counts is not None
        said = logits.detach().softmax(1)
        if self.memory is None:
            self.memory = said.new_zeros(int(targets.class_counts.sum()), said.shape[1])
        self.memory[targets.positions] = 0.7 * self.memory[targets.positions] + 0.3 * said
        pull = (logits.softmax(1) * self.memory[targets.positions]).sum(1).mean()
        best, at = said.max(1)
        return LossValue(total - 0.1 * pull, corrected=torch.where(best < self.unsure, 1 - at, targets.labels))


def learning(epochs: int = 3, **changed) -> Training:
    """A training of a model and a loss, both with momentum."""
    job = training(epochs=epochs, loss=Learning(), **changed)
    groups = [{"params": list(job.model.parameters())}, {"params": trainable(job.loss), "lr": 0.5}]
    job.optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    job.schedule = lambda step, scores: (0.1, 0.5)
    return job


def test_a_training_with_a_loss_that_learns_and_corrects_ends_with_the_same_bits_wherever_it_was_stopped(tmp_path):
    snapshots = Snapshots(tmp_path, "v1:me", "all")
    whole = learning()
    fit(whole, Observer(), Every(snapshots))
    assert not torch.equal(whole.loss.scale, torch.ones(2))
    assert len(whole.train.corrections)
    for name in snapshots.names():
        again = learning()
        state = snapshots.read(name)
        assert misfit(state, again) == ""
        state.restore(again)
        restore_random(state.random, CPU)
        fit(again, Observer())
        for part, other in ((again.model, whole.model), (again.loss, whole.loss)):
            for key, value in other.state_dict().items():
                assert torch.equal(part.state_dict()[key], value), (name, key)
        same = zip(again.train.corrections.table(), whole.train.corrections.table(), strict=True)
        assert all(np.array_equal(one, two) for one, two in same), name
        timeless = {"seconds": 0, "images_per_second": 0}
        assert {**again.at.record.plain(), **timeless} == {**whole.at.record.plain(), **timeless}


def test_a_snapshot_with_other_parameters_of_the_loss_or_corrections_of_other_samples_is_not_taken(tmp_path):
    snapshots = Snapshots(tmp_path, "v1:me", "all")
    fit(learning(epochs=1), Observer(), Every(snapshots))
    state = snapshots.newest(pytest.fail)
    state.loss["scale"] = torch.ones(3)
    assert misfit(state, learning(epochs=1)) == "its scale has another shape or type than the loss's"
    state.loss["scale"] = torch.tensor([1.0, float("nan")])
    assert misfit(state, learning(epochs=1)) == "its scale has values that are no numbers"
    state = snapshots.newest(pytest.fail)
    state.corrections["positions"] = state.corrections["positions"] + 50
    assert misfit(state, learning(epochs=1)) == "its corrections are of other samples"


def test_corrected_labels_are_learnt_from_the_next_update_on_and_counted_in_the_history():
    seen: list[tuple[int, list[int], list[int]]] = []

    class Swapping(nn.Module):
        """Gives the samples of the second epoch's first batch the other class."""

        def forward(self, outputs, targets):
            total = nn.functional.cross_entropy(outputs.logits, targets.labels)
            if targets.positions is None:
                assert targets.labels.tolist() == [0, 1] * 10, "validation has the given labels"
                return LossValue(total, corrected=1 - targets.labels)
            assert targets.class_counts.tolist() == [25, 25]
            swaps = targets.epoch == 2 and all(epoch == 1 for epoch, *_ in seen)
            seen.append((targets.epoch, targets.positions.tolist(), targets.labels.tolist()))
            return LossValue(total, corrected=1 - targets.labels if swaps else None)

    class Twice(Order):
        """The samples of the first batch come again."""

        def indices(self, epoch):
            return np.array([*range(16), *range(16), *range(16, 34)])

    log = Log()
    job = training(epochs=3, loss=Swapping(), sampler=Twice(50))
    fit(job, log)
    given = [place % 2 for place in range(50)]
    other = [1 - label for label in given]
    assert [labels for _, positions, labels in seen if positions == list(range(16))] == [
        *(given[:16], given[:16]),
        *(given[:16], other[:16]),
        *(other[:16], other[:16]),
    ]
    assert all(labels == [given[place] for place in at] for _, at, labels in seen if min(at) > 15)
    assert job.train.truth.labels.tolist() == given
    counted = [None, {"samples": 16, "changes": 16}, {"samples": 16, "changes": 0}]
    assert [record.get("corrected") for record in log.epochs] == counted


@pytest.mark.parametrize("clip", [None, 0.05])
def test_the_update_of_a_losss_parameters_is_that_of_its_gradient_clipped_with_the_models(clip):
    torch.manual_seed(0)
    model, loss = Limited(100), Learning()
    parameters = [*model.parameters(), *loss.parameters()]
    before = [p.detach().clone() for p in parameters]
    images, targets = batch(10)
    total = nn.functional.cross_entropy(model(images).logits[:, :2] * loss.scale, targets.labels % 2)
    gradients = torch.autograd.grad(total, parameters)
    factor = 1.0 if clip is None else min(1.0, clip / torch.cat([g.flatten() for g in gradients]).norm().item())

    def of_two(outputs, targets):
        return loss(Outputs(outputs.logits[:, :2]), Targets(targets.labels % 2))

    Stepper(model, of_two, torch.optim.SGD(parameters, lr=1.0), CPU, clip_norm=clip).step([(images, targets)])
    for old, new, gradient in zip(before, parameters, gradients, strict=True):
        torch.testing.assert_close(new, old - factor * gradient, rtol=1e-4, atol=1e-7)


class Counting(nn.Module):
    """Notes how many samples it has seen, and corrects all to the first class."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, outputs, targets):
        self.seen += len(targets)
        total = nn.functional.cross_entropy(outputs.logits, targets.labels)
        return LossValue(total, corrected=torch.zeros_like(targets.labels))


def test_where_memory_runs_out_on_the_way_the_loss_has_seen_each_sample_once():
    torch.manual_seed(0)
    model, loss = Limited(4), Counting()
    stepper = Stepper(model, loss, torch.optim.SGD(model.parameters(), lr=0.5), CPU)
    images, targets = batch(12)
    targets.positions = torch.arange(12) + 5
    first = (images[:4], targets.slice(0, 4))  # which fits, and is seen before the second does not
    result = stepper.step([first, (images[4:], targets.slice(4, 12))])
    assert stepper.micro_batch == 4
    assert loss.seen.item() == 12
    assert torch.cat([positions for positions, _ in result.corrected]).tolist() == list(range(5, 17))
    assert torch.cat([labels for _, labels in result.corrected]).tolist() == [0] * 12


def test_validation_with_averaged_weights_has_the_losss_present_parameters():
    job = learning(epochs=1)
    job.average = averaged(job.model, 0.9)
    used = []
    job.loss.register_forward_hook(
        lambda loss, given, value: used.append(loss.scale.tolist()) if not torch.is_grad_enabled() else None
    )
    fit(job, Observer())
    assert used
    assert used[-1] == job.loss.scale.tolist() != [1.0, 1.0]


def test_parameters_that_come_with_the_first_batch_are_seen():
    lazy = nn.ModuleList([nn.LazyLinear(2), nn.Linear(2, 2)])
    built = shaped(lazy)
    lazy[0](torch.ones(1, 3))
    lazy.more = nn.Parameter(torch.ones(1))
    assert late(lazy, built) == ["more", "0.weight", "0.bias"]
    assert late(lambda outputs, targets: None, []) == []


@pytest.mark.parametrize(
    ("corrected", "said"),
    [
        (torch.tensor([0.0, 1.0]), r"a tensor of shape \(2,\), float32, not int64\[2\]"),
        (torch.tensor([0]), r"a tensor of shape \(1,\), int64, not int64\[2\]"),
        (torch.tensor([0, 3]), "3, where the 3 classes are 0 to 2"),
        (torch.tensor([-1, 0]), "-1, where the 3 classes are 0 to 2"),
        ([0, 1], r"list, not int64\[2\]"),
    ],
)
def test_labels_that_are_none_are_refused(corrected, said):
    with pytest.raises(UserError, match=f"the loss corrects the labels of 2 samples to {said}"):
        evaluate_loss(
            lambda outputs, targets: LossValue(outputs.logits.sum(), corrected=corrected),
            Outputs(torch.zeros(2, 3)),
            Targets(torch.zeros(2, dtype=torch.int64)),
        )


def test_a_snapshot_from_before_there_were_corrections_takes_those_of_a_training_away(tmp_path):
    snapshots = Snapshots(tmp_path, "v1:me", "all")
    fit(training(epochs=1), Observer(), Every(snapshots))
    job = training(epochs=1)
    job.train.corrections = Corrections(job.train.truth.labels)
    snapshots.newest(pytest.fail).restore(job)
    assert job.train.corrections is None
    assert job.class_names == CLASSES
