"""Optimisers that use a closure, for tests of whole runs."""

import torch

import ferbench


@ferbench.hookimpl
def ferbench_optimizers():
    yield ferbench.OptimizerSpec("lbfgs", build="closures:lbfgs", closure=True)
    yield ferbench.OptimizerSpec("undeclared", build="closures:lbfgs")
    yield ferbench.OptimizerSpec("never", build="closures:never", closure=True)
    yield ferbench.OptimizerSpec("asks-late", build="closures:asks_late")
    yield ferbench.OptimizerSpec("to-nowhere", build="closures:to_nowhere", closure=True)


class LBFGS(torch.optim.LBFGS):
    """Torch's flattens gradients as they lie in memory, which those of channels-last weights do not."""

    def step(self, closure):
        def flat():
            loss = closure()
            for parameter in (each for each in self._params if each.grad is not None):
                parameter.grad = parameter.grad.contiguous()
            return loss

        return super().step(flat)


class Never(torch.optim.SGD):
    def step(self, closure):
        return None


class AsksLate(torch.optim.SGD):
    def step(self, closure=None):
        assert closure is not None, "it needs a closure"
        return closure()


class ToNowhere(torch.optim.SGD):
    """The second call is not a number from the fourth step on."""

    steps = 0

    @torch.no_grad()
    def step(self, closure):
        loss = closure()
        self.steps += 1
        if self.steps > 3:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.mul_(float("nan"))
            assert closure().isnan()
        super().step()
        return loss


def lbfgs(parameters, *, lr: float = 0.3):
    return LBFGS(parameters, lr=lr, max_iter=3, history_size=4)


def never(parameters):
    return Never(parameters, lr=0.1)


def asks_late(parameters):
    return AsksLate(parameters, lr=0.1)


def to_nowhere(parameters):
    return ToNowhere(parameters, lr=0.1)
