"""Runs as Python users see them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from ferbench.api.given import arguments_named, checked
from ferbench.errors import UserError
from ferbench.runs import frame as frames
from ferbench.runs.index import summaries
from ferbench.runs.summary import Summary
from ferbench.wording import number_of

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    from torch import nn

    from ferbench.records.evaluation import Evaluation, EvaluationEntry
    from ferbench.records.run import Run as RunRecord
    from ferbench.runs.directory import RunDirectory
    from ferbench.runs.verify import Verification
    from ferbench.training.restore import TrainedModel

#: What a notebook shows of many runs.
_SHOWN = ("name", "run", "dataset", "model", "loss", "sampler", "seed", "fold", "accuracy", "macro_f1")


class Run:
    """One run, finished or not.

    Args:
        path: its directory, ``RESULTS/runs/ID``.
        summary: what the index says of it, where that has been read.
        reused: the call that gave it found it there.
    """

    def __init__(self, path: Path, summary: Summary | None = None, *, reused: bool = False) -> None:
        self.path = path
        self.reused = reused
        self._summary = summary

    @property
    def id(self) -> str:
        """Twelve digits of its training id, which its directory is called by."""
        return self.path.name

    @cached_property
    def directory(self) -> RunDirectory:
        """Its files, as `ferbench.runs.directory` reads them."""
        from ferbench.runs.directory import RunDirectory

        return RunDirectory(self.path)

    @property
    def results(self) -> Path:
        """The results directory that it is in."""
        return self.path.parent.parent

    @cached_property
    def record(self) -> RunRecord:
        """What ``run.json`` says, typed: see the reference of the run directory."""
        return self.directory.load()

    @cached_property
    def summary(self) -> Summary:
        """The run in short, as lists and leaderboards read it."""
        if self._summary is not None:
            return self._summary
        summary = next((summary for summary in summaries(self.results) if summary.run == self.id), None)
        if summary is None:
            raise UserError(f"run {self.path} is in no results directory", "give a run of RESULTS/runs")
        return summary

    @property
    def name(self) -> str | None:
        """As ``name=`` or ``--name`` gave it."""
        return self.summary.name

    @property
    def status(self) -> str:
        """``running``, ``done``, ``failed``, ``diverged``, ``interrupted``, ``pruned``, or ``damaged``."""
        return self.summary.status

    @property
    def reason(self) -> str:
        """Why there is no result, in one line; empty where there is one."""
        return self.summary.reason

    @property
    def kind(self) -> str:
        """``trained``, ``ensemble``, ``pooled`` of all folds, or ``imported``."""
        return self.record.kind

    @property
    def seed(self) -> int | None:
        """Of training."""
        return self.summary.seed

    @property
    def settings(self) -> dict[str, Any]:
        """Names of components by section (``model``), their options and the harness's fields by dotted key
        (``optimizer.lr``, ``training.epochs``)."""
        return dict(self.summary.settings)

    def metrics(self, split: str | None = None) -> dict[str, float | None]:
        """Metrics by name on a split: ``validation``, ``test``; None: what the run is judged on."""
        return dict(self._entry(split)[1].metrics)

    @property
    def per_class(self) -> pd.DataFrame:
        """Precision, recall, F1 and support of each class, on what the run is judged on; one row a class."""
        return frames.classes(self._entry(None)[1]).set_index("class")

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch, by its number: ``train.loss``, ``validation.loss``, ``validation.macro_f1``,
        ``validation.f1:CLASS`` and every other metric, ``learning_rate``, ``best``, ``seconds``."""
        return frames.epochs(self.directory.epochs()).set_index("epoch")

    def predictions(self, split: str | None = None) -> pd.DataFrame:
        """One row a sample: ``id``, ``true`` and ``predicted`` class, ``probability:CLASS``, valence and arousal where
        they are predicted (``…_true`` where annotated), and what else is known of it, such as ``subject``."""
        key, _ = self._entry(split)
        return frames.samples(self.directory.predictions(key), self._evaluation(key).class_names)

    def confusion(self, split: str | None = None) -> pd.DataFrame:
        """Samples by true class (rows) and predicted class (columns)."""
        key, _ = self._entry(split)
        evaluation = self._evaluation(key)
        if evaluation.confusion is None:
            raise UserError(f"run {self.id} has no confusion matrix of {split or 'its test'}", "use its predictions")
        return frames.confusion(evaluation.confusion, evaluation.class_names)

    def predict(self, images: Any, *, device: str = "auto", plugins: Sequence[str] = ()) -> pd.DataFrame:
        """Classify images: paths (a directory stands for those below it), arrays uint8[H, W] or uint8[H, W, 3], or
        pictures of Pillow. Each should show one face, cropped as the training images were.

        Args:
            images: one, or a sequence of them.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
            plugins: local plugins that the model needs, as ``--plugin``; those of a notebook are found.

        Raises:
            UserError: an image cannot be decoded, or there is no model to use.
        """
        from ferbench.api.classify import as_sources, classify, frame_of

        sources = as_sources(images)
        trained = self._restored(device, plugins)
        classified, faults = classify(trained, sources, lambda line: warnings.warn(line, stacklevel=4))
        if faults:
            name, reason = faults[0]
            what = number_of(len(faults), "image")
            raise UserError(f"{what} could not be decoded, first {name}: {reason}", "leave them out")
        return frame_of(classified, trained.task.class_names)

    def model(self, *, device: str = "cpu", plugins: Sequence[str] = ()) -> nn.Module:
        """The trained model with the weights that were kept, in evaluation mode.

        It takes images as the harness prepares them: ``float[N, C, H, W]``, normalised as `ferbench.ModelSpec` says.
        """
        return self._restored(device, plugins).model

    def feature_map(
        self,
        method: Literal["tsne", "pca"] = "tsne",
        *,
        seed: int = 0,
        device: str = "auto",
        cache: str | PathLike[str] | None = None,
        plugins: Sequence[str] = (),
    ) -> pd.DataFrame:
        """The tested samples by what the model gives its classifier of them, in two dimensions.

        The model looks at each of them once; what was made before is read from the cache.

        Args:
            method: ``tsne`` keeps neighbours together and says little of distances between groups; ``pca`` is the
                projection onto the two directions of the largest variance.
            seed: of what is random in it.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
            cache: where packed datasets and maps are kept; None: the user's cache.
            plugins: local plugins that the model needs, as ``--plugin``; those of a notebook are found.

        Returns:
            A row a sample: ``id``, ``x``, ``y``, ``true`` and ``predicted``.

        Raises:
            UserError: the run has no result or no model to use, the model gives no features, or the images are not in
                the cache.
        """
        from ferbench.api.feature_maps import METHODS, feature_map
        from ferbench.api.notebook import FOLDER, plugins_in
        from ferbench.api.places import cache_directory
        from ferbench.experiment.settings import suggestion
        from ferbench.plugin.discovery import load_registry

        if method not in METHODS:
            raise UserError(f"method='{method}' makes no map", suggestion(str(method), METHODS, "methods"))
        key, _ = self._entry(None)
        own = plugins_in(self.results / FOLDER, self.record.distributions, {Path(one).resolve() for one in plugins})
        registry = load_registry([*plugins, *map(str, own)])
        made = feature_map(self.directory, key, method, seed, cache_directory(cache), registry, device=device)
        samples = self.predictions(key)[["id", "true", "predicted"]]  # in the order of which a map is made
        samples.insert(1, "x", made.places[:, 0])
        samples.insert(2, "y", made.places[:, 1])
        return samples

    def verify(self) -> Verification:
        """Hold files against their digests, ids against what they cover and metrics against predictions, as ``ferbench
        runs verify`` does.

        Returns:
            ``verdict`` is ``whole``, ``not covered`` (an older release wrote it, or it never ended: no digest vouches
            for all of it) or ``damaged``; ``findings`` say what is the matter with which file.
        """
        from ferbench.plugin.discovery import load_registry
        from ferbench.runs.verify import Verification

        return Verification.of(self.directory, load_registry)

    def figure(self, kind: str = "confusion") -> go.Figure:
        """A figure of the run's report: ``confusion``, or a learning curve: ``loss``, ``accuracy``, ``macro_f1``,
        ``class_f1``.

        Raises:
            UserError: the run has no such figure.
        """
        from ferbench.report.contents import read_runs
        from ferbench.report.run_figures import of_run

        (view,) = read_runs([self.directory]).runs
        drawn = {}
        for figure in of_run(view):
            name = figure.id.removesuffix(f"-{view.id}").removeprefix("curve-").removesuffix("-plot")
            drawn[name.replace("-", "_")] = figure
        if kind not in drawn:
            raise UserError(
                f"run {self.id} has no figure '{kind}'", f"choose among: {', '.join(drawn) or 'none, it has no result'}"
            )
        from ferbench.api.figures import plotly_figure

        return plotly_figure(drawn[kind])

    def _restored(self, device: str, plugins: Sequence[str]) -> TrainedModel:
        import warnings

        from ferbench.api.classify import restored
        from ferbench.api.notebook import FOLDER, plugins_in

        given = {Path(plugin).resolve() for plugin in plugins}
        own = plugins_in(self.results / FOLDER, self.record.distributions, given)
        trained = restored(self.directory, device, [*plugins, *map(str, own)])
        for warning in trained.warnings:
            warnings.warn(f"{warning}; probabilities may differ", stacklevel=3)
        return trained

    def _entry(self, split: str | None) -> tuple[str, EvaluationEntry]:
        """The run's own evaluation on a split, the plain one first; by its id that of ``ferbench evaluate``."""
        evaluations = self.record.evaluations
        if split in evaluations:
            return split, evaluations[split]
        wanted = split or ("validation" if self.record.data.fold else "test")
        own = self.record.own_evaluations(wanted)
        if not own:
            there = [f"{entry.split} ({key})" for key, entry in evaluations.items()]
            raise UserError(
                f"run {self.id} was not evaluated on {wanted}: its status is '{self.record.status}'",
                f"it has: {', '.join(there)}" if there else "choose a finished run, or finish it",
            )
        return next(iter(own.items()))

    def _evaluation(self, key: str) -> Evaluation:
        evaluation = self.directory.load_evaluation(key)
        if evaluation is None:
            raise UserError(
                f"evaluation {key} of run {self.id} is damaged or gone", "see 'ferbench runs verify', or run again"
            )
        return evaluation

    def __repr__(self) -> str:
        named = f" {self.name}" if self.name else ""
        return f"<Run {self.id}{named}: {self.status}{f', {self.reason}' if self.reason else ''}>"


class Results(Sequence[Run]):
    """Runs, in an order. A slice is `Results` too; ``results["name"]`` is the run of that name or id.

    Args:
        runs: the runs.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = tuple(runs)

    @classmethod
    def of(cls, results: Path, runs: Mapping[str, bool]) -> Results:
        """Runs of a results directory by the names of their directories, and whether each was there before."""
        known = {summary.run: summary for summary in summaries(results)}
        return cls(Run(results / "runs" / run, known.get(run), reused=reused) for run, reused in runs.items())

    @overload
    def __getitem__(self, place: int | str) -> Run: ...

    @overload
    def __getitem__(self, place: slice) -> Results: ...

    def __getitem__(self, place: int | str | slice) -> Run | Results:
        if isinstance(place, slice):
            return Results(self._runs[place])
        if isinstance(place, int):
            return self._runs[place]
        called = [run for run in self._runs if str(place) in (run.id, run.name)]
        if len(called) != 1:
            names = ", ".join(str(run.name or run.id) for run in self._runs[:10])
            many = "no run" if not called else f"{len(called)} runs"
            raise UserError(f"{many} of these {len(self):,} is called '{place}'", f"they are: {names}")
        return called[0]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def frame(self) -> pd.DataFrame:
        """One row an evaluation: the test of a run, for a fold that of its validation samples, and those of ``ferbench
        evaluate``; a run without a result has a row in which ``evaluation`` is missing. Columns: who it is (``run``,
        ``name``, ``status``, ``seed``, …), what was tested, components, every setting (``optimizer.lr``), every metric,
        and ``f1:CLASS``, ``precision:CLASS``, ``recall:CLASS``."""
        return frames.evaluations(run.summary for run in self._runs)

    def where(self, conditions_: Mapping[str, Any] | None = None, /, **more: Any) -> Results:
        """The runs that meet every condition, as ``--where`` has them: ``where(model="linear", seed=[0, 1])``,
        ``where({"optimizer.lr": 0.01})``.

        Raises:
            UserError: no run has such a key or value.
        """
        from ferbench.api.conditions import conditions
        from ferbench.ranking import filters

        with arguments_named(["where"]):
            kept = filters.select(
                [run.summary for run in self._runs], filters.parse(conditions({**(conditions_ or {}), **more}))
            )
        there = {summary.run for summary in kept}
        return Results(run for run in self._runs if run.id in there)

    def __repr__(self) -> str:
        states = Counter(run.status for run in self._runs)
        counts = ", ".join(f"{count:,} {status}" for status, count in states.most_common())
        return f"<Results: {number_of(len(self), 'run')}{f': {counts}' if counts else ''}>"

    def _repr_html_(self) -> str:
        frame = self.frame()
        frame = frame[frame["evaluation"].notna()]
        shown = frame[[key for key in _SHOWN if key in frame and frame[key].notna().any()]]
        without = [run for run in self._runs if not run.summary.scores]
        items = "".join(f"<li>{escape(repr(run))}</li>" for run in without[:20])
        more = f"<p>without a result: {len(without):,}</p><ul>{items}</ul>" if without else ""
        return f"{shown.to_html(max_rows=20, index=False, na_rep='')}{more}"


@checked
def load_results(results: str | PathLike[str] = "results") -> Results:
    """Every run of a results directory, by id.

    Args:
        results: the results directory.

    Raises:
        UserError: there is no such directory.
    """
    path = Path(results)
    if not path.is_dir():
        raise UserError(f"there is no results directory {path}", "give the path of one, as ferbench.run(results=…) did")
    return Results(Run(path / "runs" / summary.run, summary) for summary in summaries(path))


@checked
def load_run(run: str | PathLike[str], results: str | PathLike[str] = "results") -> Run:
    """A run by name, id, the first digits of an id, or path.

    Raises:
        UserError: no run or several answer to it.
    """
    from ferbench.runs.find import find_run

    return Run(find_run(Path(results), str(run)).path)
