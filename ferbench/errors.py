"""What a user did wrong, as opposed to what is broken."""


class UserError(Exception):
    """A mistake that the user can mend: shown as two lines without a stack trace, exit code 2.

    Args:
        message: one line that says what is wrong, naming the thing (file, row, option, plugin).
        remedy: one line that says what to do about it.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}"
