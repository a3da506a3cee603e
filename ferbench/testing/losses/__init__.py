"""What is asked of losses. Rules are tried in the order in which their modules are imported here."""

from ferbench.testing.losses import contract, learning, taught, values
from ferbench.testing.losses.bench import RULES

__all__ = ["RULES", "contract", "learning", "taught", "values"]
