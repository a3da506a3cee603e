"""Metrics as numpy functions, shared by training and ranking."""
