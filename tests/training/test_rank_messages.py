"""What ranks tell each other, and whoever has started them."""

from __future__ import annotations

import json

from ferbench.errors import UserError
from ferbench.training.rank_messages import RankFailed, exception_of, failure_of
from ferbench.training.ranks import OutOfMemory
from ferbench.training.torchrun import Place

FIRST, SECOND = Place(0, 2, 0, 2, True), Place(1, 2, 1, 2, True)


def told(error: BaseException, place: Place = SECOND) -> Exception:
    return exception_of(json.loads(json.dumps(failure_of(error, place))))


def test_errors_of_users_are_raised_again_and_others_name_the_device():
    error = told(UserError("no data", "give some"))
    assert isinstance(error, UserError)
    assert (error.message, error.remedy) == ("no data", "give some")
    error = told(ZeroDivisionError("by zero"))
    assert isinstance(error, RankFailed)
    assert str(error) == "device 2 of 2: ZeroDivisionError: by zero"
    assert "ZeroDivisionError" in error.__notes__[0]
    assert [str(told(error, FIRST)), *told(error, FIRST).__notes__] == [str(error), *error.__notes__]


def test_memory_that_ran_out_is_told_with_how_much_was_too_much():
    error = told(OutOfMemory(48))
    assert isinstance(error, OutOfMemory)
    assert error.size == 48
    assert isinstance(told(MemoryError("no room")), UserError)
