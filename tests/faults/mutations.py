"""What becomes of bytes and of JSON on the way through bad hands: strategies for Hypothesis."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

#: What breaks parsers: quotes, separators, endings, signs, digits that are none, marks, escapes.
TOKENS = (
    *(b'"', b'""', b"'", b",", b",,", b"\n", b"\r", b"\r\n", b"\t", b" ", b"\0", b"\\", b"#", b"=", b"[", b"]", b"{"),
    *(
        b"-",
        b"-1",
        b"7",
        b"8",
        b"255",
        b"256",
        b"1e5",
        b"1e999",
        b"nan",
        b"inf",
        b"0x1",
        b"1_0",
        b"+3",
        b"3.0",
        b"99999",
    ),
    *(
        "٣".encode(),
        "３".encode(),
        "\u200b".encode(),
        "\u202e".encode(),
        "\ufeff".encode(),
        b"\xff",
        b"\xc3",
        b"\x1b[2J",
    ),
    *(b"happy", b"Anger", b"sad ", b"train", b"test", b"../../etc/passwd", b"/dev/zero", b"a" * 600, b"true", b"null"),
)


def mutated(originals: Sequence[bytes], tokens: Sequence[bytes] = TOKENS) -> st.SearchStrategy[bytes]:
    """One of ``originals`` after one to six changes: bytes flipped, cut out, put in, said twice, or the end cut off."""
    change = st.tuples(
        st.sampled_from(("flip", "cut", "insert", "replace", "repeat", "swap", "end")),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
        st.sampled_from(tokens),
    )
    return st.builds(_changed, st.sampled_from(originals), st.lists(change, min_size=1, max_size=6))


def _changed(content: bytes, changes: Sequence[tuple[str, float, int, bytes]]) -> bytes:
    for kind, where, number, token in changes:
        place = int(where * (len(content) + 1))
        before, after = content[:place], content[place:]
        match kind:
            case "flip" if after:
                content = before + bytes([after[0] ^ (1 << number % 8)]) + after[1:]
            case "cut":
                content = before + after[1 + number % 16 :]
            case "insert":
                content = before + token + after
            case "replace":
                content = before + token + after[len(token) :]
            case "repeat":
                content = before + after[: 1 + number] + after
            case "swap":
                content = before + after[number : number + 16] + after[:number] + after[number + 16 :]
            case "end":
                content = before
    return content


#: What stands where something else was expected.
WRONG = (
    None,
    True,
    -1,
    0,
    3.5,
    10**400,
    float("inf"),
    "",
    "x",
    "\x1b[31mred",
    [],
    [1],
    {},
    {"x": 1},
    [[]],
    "v1:" + "0" * 64,
)


def mutated_json(document: Any) -> st.SearchStrategy[Any]:
    """A document of which one to three values were removed, or replaced by a value that does not belong there."""
    places = list(_places(document))
    change = st.tuples(
        st.sampled_from(places), st.sampled_from(("remove", "replace", "rename")), st.sampled_from(WRONG)
    )
    return st.builds(_with_changes, st.just(document), st.lists(change, min_size=1, max_size=3))


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """The paths of all that a document holds."""
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from _places(one, (*path, key))


def _with_changes(document: Any, changes: Sequence[tuple[tuple[Any, ...], str, Any]]) -> Any:
    document = copy.deepcopy(document)
    for path, kind, value in changes:
        holder = document
        try:
            for key in path[:-1]:
                holder = holder[key]
            if kind == "replace":
                holder[path[-1]] = value
            else:
                removed = holder.pop(path[-1])
                if kind == "rename" and isinstance(holder, dict):
                    holder[f"{path[-1]}x"] = removed
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change took it away
    return document
