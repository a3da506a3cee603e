"""The digest that a record holds of itself."""

from __future__ import annotations

import hashlib
import json
import random

from ferbench.records.own import is_whole, own_of, with_own

ABOUT = {"schema": 3, "name": "überall", "list": [1, 2.5, None, {"a": []}]}


def test_it_is_of_every_byte_before_it():
    content = with_own(ABOUT)
    assert is_whole(content)
    stated = json.loads(content)
    assert list(stated)[-1] == "own"
    assert {key: value for key, value in stated.items() if key != "own"} == ABOUT
    assert stated["own"] == own_of(content) == hashlib.sha256(content[: content.index(b',\n  "own"')]).hexdigest()


def test_a_digest_that_it_had_before_is_replaced():
    assert with_own({"own": "0" * 64, **ABOUT}) == with_own(ABOUT)


def test_every_changed_byte_is_noticed():
    content, draw = with_own(ABOUT), random.Random(0)
    for place, byte in enumerate(content):
        other = draw.choice([value for value in range(256) if value != byte])
        assert not is_whole(content[:place] + bytes([other]) + content[place + 1 :])


def test_what_is_no_such_file_is_not_whole():
    for content in (b"", b"{}", with_own(ABOUT)[:-1], with_own(ABOUT) + b"\n", json.dumps(ABOUT).encode()):
        assert not is_whole(content)
