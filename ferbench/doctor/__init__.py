"""What may be wrong with the machine, the cache and the results, and what to do about it."""
