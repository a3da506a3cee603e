"""The tables of one run."""

from __future__ import annotations

from made_views import view

from ferbench.report.run_tables import metrics


def test_of_how_many_samples_valence_is_known_is_no_metric(run):
    record = run.load()
    for entry in record.evaluations.values():
        entry.metrics |= {"valence_n": 340.0, "arousal_n": 350.0, "valence_ccc": 0.5}
    run.save(record)
    table = metrics(view(run))
    labels = [row[0] for row in table.rows]
    assert "valence CCC" in labels
    assert not {"valence_n", "arousal_n"} & set(labels)
    assert "test: valence is annotated for 340 of 350 samples." in table.notes
    assert not any("arousal" in note for note in table.notes)
