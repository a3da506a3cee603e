"""Built-in estimators: the baselines before networks."""
