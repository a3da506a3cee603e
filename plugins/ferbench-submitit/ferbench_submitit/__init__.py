"""Runs and searches of ferbench as jobs of a cluster."""
