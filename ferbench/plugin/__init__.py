"""How plugins describe themselves, how they are found, and how their signatures become options."""
