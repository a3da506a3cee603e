"""Built-in commands beside those of ferbench itself."""
