"""Paired tests, intervals and their corrections, as numpy functions: what ranks and comparisons rest on."""

#: So many seeds are needed before they say something of the seeds that were not tried.
ENOUGH_SEEDS = 2
