"""``python -m ferbench``."""

from ferbench.cli import main

if __name__ == "__main__":
    main()
