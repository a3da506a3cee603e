"""Searches over recipes: a study tries settings as ordinary runs and never reads the test set."""
