"""What differs between runs or settings, and what to call each of them by it: the one place that says so.

Settings are plain values by key. ``model`` is the name of a component, ``model.width`` an option of it,
``training.seed`` a field of the harness, ``ferbench version`` and ``model source`` tell which code was run. They come
from the record of a run (`of_run`) or from the tables of a recipe (`of_recipe`). A setting that is not there is as good
as None.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferbench.ids import VERSION
from ferbench.kinds import IN_LABELS, NONE, SECTIONS
from ferbench.tables.values import shortened, text

if TYPE_CHECKING:
    from ferbench.records.run import Run

#: Plain values by dotted key.
Settings = dict[str, Any]

#: Settings in which runs may differ without being another experiment.
NO_EXPERIMENT = frozenset(
    {
        "data.path",
        "data.paths",
        "data.num_classes",
        "data.skip_faulty",
        "training.keep",
        "training.parameter_budget",
    }
)

#: What is named last, and always by its own short name.
SEED, FOLD, TEST_FOLD = "training.seed", "data.fold", "data.test_fold"
FOLDS = (FOLD, TEST_FOLD)

#: What is always named where there is some: wrong labels that training samples were given on purpose.
NOISE = "data.label_noise"

#: Key of the digest of the samples that a run learnt from.
SAMPLES = "training samples"

_WORD = re.compile(r"[\w-]+")

#: Components that name a combination, whether they vary or not.
_TITLE = IN_LABELS


def of_run(run: Run, tested: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a run, with the code and the samples that it learnt from.

    Args:
        run: its record.
        tested: options at test time, which become ``evaluation.OPTION``.
    """
    settings: Settings = {}
    for key, value in run.settings.items():
        _add(settings, key, value)
    settings |= {SEED: run.seed, **{f"evaluation.{key}": value for key, value in (tested or {}).items()}}
    for section, chosen in run.components.items():
        for name, member in (chosen.members or {}).items():
            _add(settings, f"{section}.{name}", member.options)
        for used in (chosen, *(chosen.members or {}).values()):
            if used.version:
                settings[f"{used.distribution} version"] = used.version
        source = [used.source for used in (chosen, *(chosen.members or {}).values()) if used.source]
        if source:
            settings[f"{section} source"] = "+".join(each[:8] for each in source)
    if run.ensemble is not None:
        settings["ensemble members"] = [f"{each.name or each.run}×{each.weight:.3g}" for each in run.ensemble.members]
    if run.pooled is not None:
        settings[TEST_FOLD] = "all"
    if run.data.train_digest:
        settings[SAMPLES] = run.data.train_digest.removeprefix(VERSION)[:8]
    return settings


def of_recipe(tables: Mapping[str, Any], defaults: Mapping[str, str]) -> Settings:
    """The settings that a recipe asks for; names of runs and trackers change nothing and are left out.

    Args:
        tables: of the recipe, as TOML has them.
        defaults: the components that are used where it names none, by section.
    """
    settings: Settings = {**defaults, SEED: 0}
    for section, fields in tables.items():
        for field, value in fields.items() if isinstance(fields, Mapping) else ():
            if field == "name":
                settings[section] = value
            else:
                _add(settings, f"{section}.{field}", value)
    if tables.get("from") is not None:
        settings["training.from"] = tables["from"]
    return {key: value for key, value in settings.items() if not value == NONE == defaults.get(key)}


def named_settings(settings: Sequence[Mapping[str, Any]], defaults: Sequence[Mapping[str, str]]) -> list[Settings]:
    """The settings of each combination by key; a component without the distribution that it comes with, unless that
    varies.

    Args:
        settings: raw settings of each.
        defaults: the components of each that names none, by section.
    """
    several = [of_recipe(tables, own) for tables, own in zip(settings, defaults, strict=True)]
    for section in SECTIONS:
        chosen = [named for named in several if section in named]
        bare = {str(named[section]): str(named[section]).rpartition(":")[2] for named in chosen}
        if len(set(bare.values())) == len(bare):
            for named in chosen:
                named[section] = bare[str(named[section])]
    return several


def unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The dotted keys in which two nested tables differ; a table that only one of them has counts as one key."""
    keys = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            keys += [f"{key}.{part}" for part in unlike(old, new)]
        elif mark(old) != mark(new):
            keys.append(key)
    return keys


def differing(settings: Iterable[Mapping[str, Any]], ignored: Collection[str] = NO_EXPERIMENT) -> list[str]:
    """The keys in which settings differ: components in their order, options and fields by name, seed and fold, and at
    last versions, sources and samples.

    Args:
        settings: of each run.
        ignored: keys, or the beginnings of keys before a dot, in which they may differ.
    """
    several = list(settings)
    keys = list(dict.fromkeys(key for each in several for key in each))
    unlike = [key for key in keys if not _is_ignored(key, ignored) and _vary([each.get(key) for each in several])]
    return sorted(unlike, key=_rank)


def telling(settings: Iterable[Mapping[str, Any]], ignored: Collection[str] = NO_EXPERIMENT) -> list[str]:
    """Those of `differing` that say something new: not what already follows from another component or another version.

    An option that some components lack, and that is the same wherever a component has it, follows from the component,
    and a field that older releases or other software lack says nothing where it is the same for all others. A source
    follows from component and version, the training samples from dataset and ``data`` fields.
    """
    several = list(settings)
    keys = differing(several, ignored)
    return [key for key in keys if not _follows(key, several, keys)]


def changes(before: Run, after: Run) -> dict[str, list[Any]]:
    """What is not the same in two runs, of which one continues the other, by key: [old, new]; null where there is no
    such setting."""
    old, new = of_run(before), of_run(after)
    old.pop(SAMPLES, None), new.pop(SAMPLES, None)
    keys = [key for key in dict.fromkeys([*old, *new]) if mark(old.get(key)) != mark(new.get(key))]
    keys = [key for key in keys if not _is_ignored(key, _NO_CHANGE)]
    return {key: [old.get(key), new.get(key)] for key in keys if " " not in key or not _follows(key, (old, new), keys)}


#: Of what a run that continues another has else, where it stands says it all.
_NO_CHANGE = (NO_EXPERIMENT - {"data.skip_faulty"}) | {"training.from"}


def label(settings: Mapping[str, Any], keys: Iterable[str], among: Sequence[Mapping[str, Any]] | None = None) -> str:
    """What settings are called by some of their keys: ``cnn4, lr 0.01, seed 0``; without those that they lack.

    Args:
        settings: to be named.
        keys: the keys to name them by, in order.
        among: what they are named among, so that no two that differ in these keys are called alike; None: names are
            unlike whatever they stand beside, which shows in long values.
    """
    chosen = list(keys)
    if among is None:
        return _joined(_pieces(chosen, [settings], apart=False)[0], chosen)
    return _joined(_pieces(chosen, [settings, *among])[0], chosen)


def titles(settings: Sequence[Mapping[str, Any]], varied: Sequence[str] = ()) -> list[str]:
    """What the combinations of a grid are called: ``faces × cnn4 × cross-entropy × shuffled, lr 0.01, seed 0``.

    Args:
        settings: of each (`of_recipe`).
        varied: the keys in which they differ.
    """
    keys = [key for key in varied if key not in (*_TITLE, SEED, *FOLDS, NOISE)] + [NOISE, SEED, *FOLDS]
    made = []
    for each, pieces in zip(settings, _pieces(keys, settings), strict=True):
        names = " × ".join(text(each[key]) for key in _TITLE if key in each)
        unsaid = [key for key in (NOISE, *FOLDS) if not each.get(key) and (key not in varied or each.get(key) is None)]
        told = [key for key in keys if key not in unsaid]
        made.append(", ".join(filter(None, [names, _joined(pieces, told)])))
    return made


def title(settings: Mapping[str, Any], varied: Sequence[str] = (), among: Sequence[Mapping[str, Any]] = ()) -> str:
    """One of `titles`: of settings that stand ``among`` others."""
    return titles([settings, *among], varied)[0]


def beside_title(varied: Mapping[str, Any]) -> dict[str, str]:
    """The cells of a table that has titles: what varies and is not in every `title`, empty where it is not set."""
    shown = {key: value for key, value in varied.items() if key not in (*_TITLE, SEED, *FOLDS)}
    return {key: "" if value is None else text(value) for key, value in shown.items()}


def labels(settings: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None) -> list[str]:
    """What to call each of several runs: a name, and as much of what differs as it takes to tell them apart.

    Unlike settings have unlike labels.

    Args:
        settings: of each.
        names: what they are called so far; None: their models.
    """
    private = {"data.path", "data.paths"}  # of no interest to others
    keys = telling(settings)
    keys += [key for key in differing(settings, private) if key not in keys]
    pieces = _pieces(["model", *keys], settings)
    called = [each.get("model", "") for each in pieces] if names is None else list(names)
    for _ in range(2):  # again, for names that look like others with what was added to them
        count = Counter(called)
        for shared in [name for name, several in count.items() if several > 1]:
            places = [place for place, name in enumerate(called) if name == shared]
            chosen: list[str] = []
            for key in keys:
                before, after = (
                    len({_joined(pieces[place], some) for place in places}) for some in (chosen, [*chosen, key])
                )
                if after > before:
                    chosen.append(key)
            for place in places:
                called[place] = ", ".join(filter(None, [called[place], _joined(pieces[place], chosen)]))
    return called


def _pieces(keys: Sequence[str], among: Sequence[Mapping[str, Any]], *, apart: bool = True) -> list[dict[str, str]]:
    """``lr 0.01`` for each key that settings have, of each of the settings.

    Args:
        keys: the keys.
        among: the settings.
        apart: no two that are unlike look alike among these; else wherever they stand.
    """
    names, made = short_names(keys, among), [dict[str, str]() for _ in among]
    for key in keys:
        values = {mark(each[key]): each[key] for each in among if key in each}
        bare = names[key] == "" and (not apart or all(key in each for each in among))
        called = names[key] or key
        name = "" if bare else f"{called if called.isprintable() else text(called)} "
        shown = {
            marked: name + shortened(value, values.values() if apart else None, always_text=" " in key)
            for marked, value in values.items()
        }
        for each, pieces in zip(among, made, strict=True):
            if key in each:
                pieces[key] = shown[mark(each[key])]
    return made


def _joined(pieces: Mapping[str, str], keys: Iterable[str]) -> str:
    return ", ".join(pieces[key] for key in keys if key in pieces)


def short_names(keys: Collection[str], settings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What each key is called beside a value: ``lr``, or ``optimizer.lr`` where another part has an ``lr`` too; empty
    for a component, whose name says enough."""
    every = list(dict.fromkeys([*keys, *(key for each in settings for key in each)]))
    ends = Counter(key.split(".", start)[-1] for key in every if "." in key for start in range(1, key.count(".") + 1))
    short = {}
    for key in keys:
        if key in (SEED, *FOLDS):
            short[key] = key.rpartition(".")[2].replace("_", " ")
        elif "." not in key or " " in key:
            short[key] = key if " " in key else ""
        else:
            tries = [key.split(".", start)[-1] for start in range(key.count("."), 0, -1)]
            free = (end for end in tries if ends[end] == 1 and end not in ("seed", "fold"))
            short[key] = next(free, key)
    return short


def mark(value: Any) -> str:
    """Equal for equal values only: 1, 1.0 and true are three; a list and the tuple that it was read from are one."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(mark, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(sorted(f'{key!r}:{mark(inner)}' for key, inner in value.items()))}}}"
    return repr(value)


def _vary(values: Sequence[Any]) -> bool:
    """Whether not all have one `mark`; that of each is asked for only where a look does not tell, as they are many."""
    types = set(map(type, values))
    if types & {list, tuple, dict} or (len(types) > 1 and types & {bool, int, float}):
        return len(set(map(mark, values))) > 1
    return len(set(values)) > 1


def _add(settings: Settings, key: str, value: Any) -> None:
    """Add a value, or each of the values of a table under a key of its own, where its keys are words."""
    if isinstance(value, Mapping) and value and all(_WORD.fullmatch(part) for part in value):
        for part, inner in value.items():
            _add(settings, f"{key}.{part}", inner)
    else:
        settings[key] = value


def _is_ignored(key: str, ignored: Collection[str]) -> bool:
    return key in ignored or ".".join(key.split(".", 2)[:2]) in ignored


def _rank(key: str) -> tuple[int, str]:
    if " " in key:  # versions before sources, and samples last
        return 4 + (key.endswith(" source")) + 2 * (key == SAMPLES), key
    if "." not in key:
        return 0, ""  # as they come
    return {SEED: 2, FOLD: 3, TEST_FOLD: 3}.get(key, 1), key


def _follows(key: str, settings: Sequence[Mapping[str, Any]], differing: Sequence[str]) -> bool:
    """Whether a key says nothing beyond what others of the differing ones say."""
    section = re.split("[. ]", key, maxsplit=1)[0]
    if key == SAMPLES:
        parents = [other for other in differing if re.match("dataset|data\\.", other)]
    elif key.endswith(" source"):
        parents = [section, *(other for other in differing if other.endswith(" version"))]
    elif key.endswith(" version"):
        return len({mark(each[key]) for each in settings if key in each}) < 2
    elif "." not in key or all(key in each for each in settings) or section == "evaluation" or key == "training.from":
        return False
    else:
        known = [each for each in settings if any(other.startswith(f"{section}.") for other in each)]
        if section not in differing or all(key in each for each in known):  # the others are older, or other software's
            return len({mark(each[key]) for each in known if key in each}) < 2
        parents = [section]
    values: dict[tuple[str, ...], set[str]] = {}
    for each in settings if parents else ():
        values.setdefault(tuple(mark(each.get(parent)) for parent in parents), set()).add(mark(each.get(key)))
    return bool(parents) and all(len(same) == 1 for same in values.values())
