"""The conformance kit: what every model, loss, sampler, … must do, as tests for the authors of plugins.

As a class, one test a rule::

    from ferbench.testing import Conformance

    class TestMyNet(Conformance):
        kind = "model"
        name = "my-net"

as a parameter, ``@pytest.mark.parametrize("case", cases("model", "my-net"), ids=str)`` with a test that calls
``case.check()``; or without pytest as ``ferbench plugins check my-net``.
"""

from ferbench.testing.conformance import Case, Conformance, cases
from ferbench.testing.rules import NotApplicable, Rule, Subject, Verdict, Violation, check, failed, rules_of

__all__ = [
    "Case",
    "Conformance",
    "NotApplicable",
    "Rule",
    "Subject",
    "Verdict",
    "Violation",
    "cases",
    "check",
    "failed",
    "rules_of",
]
