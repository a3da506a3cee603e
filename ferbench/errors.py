"""What a user did wrong, as opposed to what is broken."""

import errno


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


#: How memory that ran out is said of: by the CPU's allocator, CUDA and its libraries, and the loader of libraries.
_MEMORY = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED", "failed to map segment")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out: CUDA's, that of one of its libraries, the CPU allocator's or
    Python's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, (RuntimeError, ImportError)) and any(known in str(error) for known in _MEMORY)


def out_of_memory(error: BaseException) -> UserError:
    """What to say where memory ran out."""
    said = next(iter(str(error).strip().splitlines()), "")
    return UserError(
        f"memory ran out{said and f': {said[:200]}'}",
        "give it more, or use a smaller model, data.image_size or training.batch_size; the same command goes on with a "
        "run that has a checkpoint",
    )
