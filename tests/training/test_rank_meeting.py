"""How the ranks of a run find each other, whatever an attempt before has left."""

from __future__ import annotations

import threading

from torch.distributed import HashStore

from ferbench.training.rank_meeting import arrive, meet
from ferbench.training.torchrun import Place

FIRST, SECOND = Place(0, 2, 0, 2, True), Place(1, 2, 1, 2, True)


def arriving(store: HashStore) -> tuple[threading.Thread, list]:
    came = []
    thread = threading.Thread(target=lambda: came.append(arrive(store, SECOND)), daemon=True)
    thread.start()
    return thread, came


def test_who_meets_has_the_same_name_and_message():
    store = HashStore()
    thread, came = arriving(store)
    name = meet(store, FIRST, ["train", 5])
    thread.join(10)
    assert came == [(name, ["train", 5])]


def test_what_an_attempt_before_left_is_not_taken_for_the_next():
    store = HashStore()
    thread, _ = arriving(store)
    before = meet(store, FIRST, "first")
    thread.join(10)
    store.set("attempt", left := "an attempt that its first process did not live to begin")
    store.set(f"{left}/1", "")
    thread, came = arriving(store)  # of a process in place of the second, while the old attempt is still there
    name = meet(store, FIRST, "again")
    thread.join(10)
    assert came == [(name, "again")]
    assert name != before
