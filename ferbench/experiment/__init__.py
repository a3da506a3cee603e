"""From a recipe and flags to resolved experiments with ids."""
