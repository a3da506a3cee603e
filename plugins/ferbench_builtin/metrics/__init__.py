"""Metrics that not every dataset allows."""
