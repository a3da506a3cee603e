"""The page of near copies."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from ferbench.audit.findings import examine
from ferbench.audit.near_copies import Pairs
from ferbench.audit.pairs_page import difference, page
from ferbench.audit.registration import similarity_warps
from ferbench.data.pack_cache import pack_dataset
from ferbench.plugin.specs import Protocol
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces

PROTOCOL = Protocol("plain", train=("train",), test=("test",))


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    made = synthetic_faces(None, size=48, train=30, test=10, images_per_subject=1)
    pack = pack_dataset(made, name="synthetic-faces", cache=tmp_path_factory.mktemp("cache"))
    images, ids = np.array(pack.images[:]), pack.ids.copy()
    images[5, :, 2:, 1:] = images[4, :, :-2, :-1]
    images[33] = images[7, :, :, ::-1]
    ids[33] = "<b>.png"
    changed = replace(pack, images=images, ids=ids)
    return page(changed, examine(changed, [PROTOCOL], None))


def test_pairs_across_splits_stand_first_with_what_was_done(shown):
    figures = re.findall("<figure.*?</figure>", shown)
    assert len(figures) == 2
    assert "train-000007" in figures[0]
    assert "mirrored" in figures[0]
    assert "class=leak" in figures[0]
    assert "train-000005" in figures[1]
    assert "shifted by 2 of 48 pixels" in figures[1]


def test_the_page_needs_no_other_file_and_no_id_is_taken_for_markup(shown):
    assert "&lt;b&gt;.png: " in shown
    assert set(re.findall(r'src="(.{22})', shown)) == {"data:image/png;base64,"}
    assert shown.count("<img") == 4


def test_a_change_is_put_into_words():
    maps = similarity_warps(np.array([0.0, 12.0]), np.array([1.0, 1.1]), np.array([[0.0, 0.0], [3.3, 0.0]]))
    ends = np.array([0, 1])
    pairs = Pairs(ends, ends + 2, np.array([False, True]), np.ones(2, np.float32), maps)
    assert difference(pairs) == ["in one place", "mirrored, turned by 12°, zoomed by 10 %, shifted by 3 of 48 pixels"]
