"""Pictures of errors."""

from __future__ import annotations

import numpy as np
import pytest
from made_views import view

from ferbench.data.pack_cache import pack_dataset
from ferbench.data.sample import Dataset, Sample
from ferbench.errors import UserError
from ferbench.report.contents import read_runs
from ferbench.report.page import Extras, compose, report_page


class Noise(Dataset):
    """The images of the made-up test samples."""

    class_names = ("a", "b")
    channels = 1

    def source(self):
        return {}

    def samples(self):
        for i in range(350):
            yield Sample(f"test-{i:05d}", "test", "ab"[i % 2], np.full((8, 8), i % 250, dtype=np.uint8))


def test_pictures_of_errors_are_embedded_on_request_only(run, tmp_path):
    pack = pack_dataset(Noise(), name="noise", cache=tmp_path / "cache")
    record = run.load()
    record.data.pack = pack.digest
    run.save(record)
    assert "data:image/png" not in report_page(compose(read_runs([run])))
    with pytest.raises(UserError, match="the images of one are not in the cache"):
        view(run, gallery=1, cache=tmp_path / "none")
    extras = Extras(gallery=3, cache=tmp_path / "cache")
    page = report_page(compose(read_runs([run]), extras=extras))
    assert page.count("data:image/png;base64,") == 3
    assert "These pictures show faces" in page
