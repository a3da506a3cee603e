"""What is done to predictions at test time."""
