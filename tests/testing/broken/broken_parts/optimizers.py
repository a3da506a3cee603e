import torch


def builds(parameters):
    return None


def lowers_a_loss(parameters):
    return torch.optim.SGD(parameters, lr=0.01, maximize=True)


def groups_keep_their_settings(parameters):
    flat = [p for group in parameters for p in (group["params"] if isinstance(group, dict) else [group])]
    return torch.optim.SGD(flat, lr=0.01)


class HeedsTheSchedule(torch.optim.SGD):
    def __init__(self, parameters):
        super().__init__(parameters, lr=0.01)
        self.own = [group["lr"] for group in self.param_groups]

    def step(self):
        for group, rate in zip(self.param_groups, self.own, strict=True):
            group["lr"] = rate
        super().step()


class StateRoundTrip(torch.optim.SGD):
    def __init__(self, parameters):
        super().__init__(parameters, lr=0.001)
        self.before = {}

    def step(self):
        for group in self.param_groups:
            for p in (each for each in group["params"] if each.grad is not None):
                self.before[p] = 0.9 * self.before.get(p, 0) + p.grad
                p.data.sub_(group["lr"] * self.before[p])


class Closure(torch.optim.SGD):
    def step(self, closure):
        super().step()


class SameCalls(torch.optim.SGD):
    def step(self, closure):
        loss = closure()
        while torch.rand(()) < 0.5:
            closure()
        super().step()
        return loss


class ZeroGradient(torch.optim.SGD):
    def step(self):
        for group in self.param_groups:
            for p in (each for each in group["params"] if each.grad is not None):
                p.grad /= p.grad.norm()
        super().step()


class UnusedParameter(torch.optim.SGD):
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.mul_(1 - 0.1 * group["lr"])
        super().step()


def closure(parameters):
    return Closure(parameters, lr=0.01)


def same_calls(parameters):
    return SameCalls(parameters, lr=0.01)


def zero_gradient(parameters):
    return ZeroGradient(parameters, lr=0.01)


def unused_parameter(parameters):
    return UnusedParameter(parameters, lr=0.01)


heeds_the_schedule, state_round_trip = HeedsTheSchedule, StateRoundTrip
