"""Paired tests, intervals and their corrections, as numpy functions: what ranks and comparisons rest on."""
