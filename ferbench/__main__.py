"""`python -m ferbench`, for where the command is not on the path."""

from ferbench.cli import main

if __name__ == "__main__":
    main()
