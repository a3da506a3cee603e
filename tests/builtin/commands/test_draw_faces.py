"""``ferbench draw-faces``."""

from __future__ import annotations

from ferbench_builtin.datasets.folder import folder


def test_what_it_writes_is_a_dataset_of_folders(ferbench_cli, tmp_path):
    done = ferbench_cli("draw-faces", "faces", "--train", "14", "--test", "7", "--size", "24")
    assert (done.exit_code, done.stdout) == (0, "21 faces in faces\n")
    dataset = folder(tmp_path / "faces")
    parts = [sample.part for sample in dataset.samples()]
    assert (parts.count("train"), parts.count("test"), len(dataset.class_names)) == (14, 7, 7)


def test_the_seed_decides_who_is_shown(ferbench_cli, tmp_path):
    small = ("--train", "7", "--test", "7", "--size", "16")
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        ferbench_cli("draw-faces", name, *small, "--seed", seed)
    first, again, other = (
        [file.read_bytes() for file in sorted((tmp_path / name).rglob("*.png"))] for name in ("a", "b", "c")
    )
    assert first == again != other


def test_a_folder_with_something_in_it_is_refused(ferbench_cli, tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "mine.png").touch()
    done = ferbench_cli("draw-faces", "faces")
    assert done.exit_code == 2
    assert "faces is not empty" in done.stderr
    assert [file.name for file in (tmp_path / "faces").iterdir()] == ["mine.png"]
