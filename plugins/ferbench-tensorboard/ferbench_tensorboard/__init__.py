"""Runs of ferbench in TensorBoard."""
