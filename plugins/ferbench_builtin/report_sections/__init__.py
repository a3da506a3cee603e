"""Built-in sections of reports."""
