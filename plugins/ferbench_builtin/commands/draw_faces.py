"""``ferbench draw-faces``: the rendered faces of ``synthetic-faces`` as files."""

from __future__ import annotations

from pathlib import Path

import click

from ferbench import UserError


@click.command("draw-faces")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--train", type=click.IntRange(min=7), default=70, show_default=True, help="Images for training.")
@click.option("--test", type=click.IntRange(min=7), default=21, show_default=True, help="Images for testing.")
@click.option("--size", type=click.IntRange(16, 512), default=96, show_default=True, help="Side in pixels.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another shows other people.")
def draw_faces(folder: Path, train: int, test: int, size: int, seed: int) -> None:
    """Write faces of people who do not exist into FOLDER, as train/happy/….png and so on.

    Something to try a folder of your own, a classifier or a plugin with, where no photos are at hand.

    \b
    ferbench draw-faces faces/
    ferbench run --dataset folder --data faces/
    """
    import numpy as np
    from PIL import Image

    from ferbench import Sample, writing
    from ferbench_builtin.datasets.synthetic_faces import synthetic_faces

    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty", "name an empty or new directory")
    count = 0
    with writing(folder):
        for sample in synthetic_faces(None, size=size, train=train, test=test, seed=seed).samples():
            assert isinstance(sample, Sample)  # generated faces have no faults
            file = folder / sample.part / sample.label / f"{sample.id}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(sample.image)).save(file)
            count += 1
    click.echo(f"{count} faces in {folder}")
