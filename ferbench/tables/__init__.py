"""A table before it has a format, its formats, and its fitting to a terminal."""
