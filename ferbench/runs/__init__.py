"""The run directory: the only truth about a run. Reading it needs neither torch nor pandas."""
