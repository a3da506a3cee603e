"""Expressions over time: frames in order, what a model says of each, and the patterns in that."""
