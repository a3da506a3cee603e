"""What ``import ferbench`` gives to people who work in Python; every command is a caller of the same functions."""
