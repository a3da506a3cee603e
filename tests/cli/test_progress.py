"""What is shown while a pack is made or compared."""

from __future__ import annotations

import pytest

from ferbench.cli.progress import PackingProgress


@pytest.mark.parametrize(("patience", "said"), [(0.0, 1), (60.0, 0)])
def test_a_pack_that_takes_long_to_compare_is_named_once(patience: float, said: int, capsys) -> None:
    with PackingProgress("affectnet", quiet=False, patience=patience) as progress:
        for images in (100, 200, 300, 400):
            progress.compared(images, 400)
    assert capsys.readouterr().err.count("comparing the 400 images of affectnet with what was packed: about") == said


def test_nothing_is_said_of_a_comparison_where_nothing_is_to_be_shown(capsys) -> None:
    with PackingProgress("affectnet", quiet=True, patience=0.0) as progress:
        progress.compared(100, 400)
        progress.compared(200, 400)
    assert capsys.readouterr().err == ""
