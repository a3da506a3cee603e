"""Checks of what is given: tables that others published."""
