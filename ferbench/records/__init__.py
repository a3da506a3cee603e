"""The records of runs: their types, and the one place that reads and writes them."""
