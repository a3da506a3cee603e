"""Reports and tables for people: what finished runs say, as pages, figures and files."""
