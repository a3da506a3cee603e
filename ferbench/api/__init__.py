"""What `import ferbench` gives users."""
