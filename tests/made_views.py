"""Runs with given predictions, and what a report shows of them."""

from __future__ import annotations

from dataclasses import replace

from ferbench.report.contents import read_runs
from ferbench.report.page import Extras, compose
from ferbench.runs.directory import RunDirectory


def evaluation_of(run: RunDirectory, split="test"):
    (key,) = [key for key, entry in run.load().evaluations.items() if entry.split == split]
    return key


def rewrite(run, split="test", **changes):
    key = evaluation_of(run, split)
    run.save_evaluation(run.load_evaluation(key), replace(run.predictions(key), **changes))


def view(run, **options):
    contents = read_runs([run])
    return compose(contents, extras=Extras(**options)).runs[0] if options else contents.runs[0]


def predictions(run):
    return run.predictions(evaluation_of(run))
