"""What a disk refuses is said with what helps."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ferbench.errors import UserError
from ferbench.storage import refuse_long, writing

#: A word of the remedy, by what the disk says.
HELPS = {
    errno.EMLINK: "ferbench runs rm",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "this machine may open no more files",
    errno.ENOLCK: "lock service",
    errno.EROFS: "can only be read",
    errno.EDQUOT: "quota",
    errno.ENAMETOOLONG: "shorter",
    errno.ENOSPC: "free some space",
    errno.EACCES: "permissions",
    errno.EPERM: "permissions",
    errno.ENOTDIR: "a file lies where a folder should be",
    errno.EEXIST: "a link to nowhere",
    errno.EIO: "has a fault",
    errno.EBADF: "see that the disk is there",
}


@pytest.mark.parametrize("number", HELPS, ids=errno.errorcode.get)
def test_each_error_of_a_disk_has_its_own_remedy(number):
    with (
        pytest.raises(UserError, match=f"cannot write to there: {os.strerror(number)}") as refused,
        writing(Path("there")),
    ):
        raise OSError(number, os.strerror(number))
    assert HELPS[number] in refused.value.remedy
    assert sum(word in refused.value.remedy for word in set(HELPS.values())) == 1


@pytest.mark.parametrize("place", ["x" * 256, "a/" + "ä" * 128, "/".join(["y" * 200] * 20)])
def test_a_directory_that_is_too_long_is_refused_before_anything_is_made(place):
    with pytest.raises(UserError, match="too long") as refused:
        refuse_long(Path(place))
    assert "shorter" in refused.value.remedy


@pytest.mark.parametrize("place", ["x" * 255, "a/" + "ä" * 127, os.fsdecode(b"no text \xff"), "/", "."])
def test_what_can_be_made_is_not_refused(place):
    refuse_long(Path(place))
