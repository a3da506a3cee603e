"""Runs of ferbench in MLflow."""
