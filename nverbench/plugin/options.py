"""Part references such as ``reno:align_dim=128`` or ``audio-mamba-tiny:untrained``: parsed, checked
against the part, canonical.

A part's options are the keyword-only parameters of its function. Canonical text is sorted, with
defaults dropped.
"""

from __future__ import annotations

import inspect
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nverbench.errors import UsageError, abbreviated, nearest
from nverbench.plugin.records import NAME, Backbone, Dataset, Fusion, Loss, Part

Scalar = bool | int | float | str
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
OURS = ("untrained", "weights", "project")
"""Options that the harness gives to every backbone."""
READ_OUT = ("layer", "layers")
"""Those it gives to backbones that declare layers; another backbone may have options of these names
of its own.
"""
OF_DATASETS = ("exclude", "test")
"""Those it gives to every dataset."""
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class PartRef:
    """A part and its options, as a user or the registry named it."""

    name: str
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """Only those that differ from the part's defaults, sorted."""
    full: Mapping[str, Scalar] = field(default_factory=dict)
    """Every option, defaults included."""
    positional: str | None = None
    local: tuple[str, ...] = ()
    """Options that hold paths of this machine."""
    untrained: bool = False
    """Backbones only: seeded random weights of the same architecture."""
    weights: str | None = None
    """Backbones only: the path of weights of one's own."""
    layer: int | None = None
    """Backbones with layers only: which one's time mean is the embedding; None: the last."""
    weighted: bool = False
    """Backbones with layers only (``layers=weighted``): all of them, mixed by a softmax that is
    trained with the fusion.
    """
    exclude: tuple[str, ...] = ()
    """Datasets only (``exclude=A+B``): labels left out, sorted; a separately named label set."""
    test: str | None = None
    """Datasets only (``test=NAME``): the dataset that is tested on, this one being trained on;
    labels then go by their common names.
    """
    project: int | None = None
    """Backbones only: the width to which PCA, fitted on the training part, brings the embedding."""

    def __str__(self) -> str:
        shown = {
            k: Path(str(v)).name if k in self.local else _show(v) for k, v in self.options.items()
        }
        words = sorted(
            f"{k}={v}"
            for k, v in {**shown, **self.read_out(), **self.clip_set()}.items()
            if k != self.positional
        )
        if self.positional in shown:
            words.insert(0, shown[str(self.positional)])
        words += ["untrained"] if self.untrained else []
        words += [f"weights={Path(self.weights).name}"] if self.weights else []
        return f"{self.name}:{','.join(words)}" if words else self.name

    def identity(self) -> dict[str, Any]:
        """What of this reference goes into a result's id: no local path (the contents' digest
        stands for it).
        """
        options = {k: v for k, v in self.full.items() if k not in self.local}
        return {
            "name": self.name,
            "options": options,
            "untrained": self.untrained,
            **self.read_out(),
            **self.clip_set(),
        }

    def clip_set(self) -> dict[str, Scalar]:
        """Which labels of a dataset are left out, and which other dataset it is tested on, if
        any.
        """
        asked = {"exclude": "+".join(self.exclude) or None, "test": self.test}
        return {k: v for k, v in asked.items() if v is not None}

    def read_out(self) -> dict[str, Scalar]:
        """How embeddings are read out of what one forward pass gives: layer, layers, project. None
        of it needs another pass.
        """
        asked = {
            "layer": self.layer,
            "layers": "weighted" if self.weighted else None,
            "project": self.project,
        }
        return {k: v for k, v in asked.items() if v is not None}


def split(text: str) -> tuple[str, str]:
    """The name before the first colon, and what follows it."""
    name, _, rest = text.partition(":")
    return name.strip(), rest


def declared(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The options of a part's function: its keyword-only parameters."""
    return {
        p.name: p
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }


def function_of(part: Part) -> Callable[..., Any]:
    """The function whose keyword-only parameters are the part's options."""
    if isinstance(part, Backbone):
        function = part.load or part.lookup
        assert function is not None  # Backbone.__post_init__ refuses a record with neither
        return function
    return part.load if isinstance(part, Dataset) else part.build


def resolve(part: Part, text: str) -> PartRef:
    """The reference that ``text`` (``name:k=v,k=v``) makes to ``part``.

    Raises:
        UsageError: an option the part does not have, a value of the wrong type, or a required one
            left out.
    """
    kind = type(part).__name__.lower()
    name, rest = split(text)
    positional, local = (
        (part.positional, part.local) if isinstance(part, Backbone | Dataset) else (None, ())
    )
    raw = _words(f"{kind} {name}", rest, positional)
    untrained = isinstance(part, Backbone) and _flag(
        raw.pop("untrained", "false"), f"{kind} {name}: untrained"
    )
    for key in {*local, "weights"} & raw.keys():
        if not possible(raw[key]):
            raise UsageError(
                f"{kind} {name}: {key}: expected a path, got {abbreviated(raw[key])}"
                f" ({len(raw[key]):,} letters), which no file can be called"
            )
    weights = raw.pop("weights", None) if isinstance(part, Backbone) else None
    if untrained and weights:
        raise UsageError(
            f"{kind} {name}: untrained and weights=PATH contradict each other; give one"
        )
    read_out = _read_out(part, raw) if isinstance(part, Backbone) else {}
    clip_set = _clip_set(part, raw) if isinstance(part, Dataset) else {}
    known = declared(function_of(part))
    for key in raw:
        if key not in known:
            raise UsageError(
                f"{kind} {name} has no option {abbreviated(key)};"
                f" {nearest(key, known) if known else 'it takes none'}"
            )
    values: dict[str, Scalar] = {}
    for key, parameter in sorted(known.items()):
        if key in raw:
            values[key] = _cast(raw[key], parameter, f"{kind} {name}: option {key}")
        elif parameter.default is parameter.empty:
            hint = f"{name}:{key.upper()}" if key == positional else f"{name}:{key}=..."
            raise UsageError(f"{kind} {name} needs {key}; write {hint}")
        else:
            values[key] = parameter.default
    changed = {
        k: v
        for k, v in values.items()
        if known[k].default is known[k].empty or v != known[k].default
    }
    return PartRef(
        name, changed, values, positional, local, untrained, weights, **clip_set, **read_out
    )


def canonical(parts: Mapping[str, Any], text: str) -> str:
    """A reference in canonical text; as it is where its part is not among ``parts`` (name ->
    part).
    """
    part = parts.get(split(text)[0])
    return str(resolve(part, text)) if part is not None else text


def _clip_set(part: Dataset, raw: dict[str, str]) -> dict[str, Any]:
    """What every dataset takes, out of ``raw``: ``test=NAME``, and ``exclude=A+B`` (by common names
    where two datasets are crossed).

    A label that is left out must be one of those that are listed, and two or more must stay.
    """
    test = raw.pop("test", "") or None
    if test is not None and not NAME.fullmatch(test):
        raise UsageError(
            f"dataset {part.name}: test={test}: expected the name of a dataset, without options"
        )
    words = sorted({word.strip() for word in raw.pop("exclude", "").split("+")} - {""})
    labels = sorted(set(part.common.values())) if test else part.labels
    for word in words:
        if labels and word not in labels:
            raise UsageError(
                f"dataset {part.name} has no {'common ' if test else ''}label {word!r} to exclude;"
                f" {nearest(word, labels)}"
            )
    if words and labels and len(labels) - len(words) < 2:
        raise UsageError(
            f"dataset {part.name}: excluding {', '.join(words)} leaves {len(labels) - len(words)}"
            " of its labels; leave two or more"
        )
    return {"exclude": tuple(words), "test": test}


def _read_out(part: Backbone, raw: dict[str, str]) -> dict[str, Any]:
    """The options that every backbone has (``project``), or every backbone with layers (``layer``,
    ``layers``), taken out of ``raw``.
    """
    what = f"backbone {part.name}"
    own = () if part.layers else declared(function_of(part))
    given = {key: raw.pop(key) for key in (*READ_OUT, "project") if key in raw and key not in own}
    if not part.layers and given.keys() & {"layer", "layers"}:
        raise UsageError(
            f"{what} gives one set of frames and has no layers to choose from; leave layer and"
            " layers out"
        )
    if len(given) > 1 and "layers" in given:
        raise UsageError(
            f"{what}: layers=weighted goes with neither layer=N nor project=D; give one"
        )
    if given.get("layers", "weighted") != "weighted":
        raise UsageError(
            f"{what}: layers={given['layers']}: expected weighted; for a single one write layer=N"
        )
    layer = (
        _whole(given["layer"], 0, part.layers - 1, f"{what}: layer") if "layer" in given else None
    )
    most = part.dim - 1 if part.dim else sys.maxsize
    width = _whole(given["project"], 1, most, f"{what}: project") if "project" in given else None
    return {
        "layer": None if layer == part.layers - 1 else layer,
        "weighted": "layers" in given,
        "project": width,
    }


def _whole(text: str, least: int, most: int, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise UsageError(f"{what}={text}: expected a whole number from {least} to {most}")
    return int(text)


def check_plain(part: Fusion | Loss | Dataset | Backbone) -> list[str]:
    """What is wrong with a part's own option declarations: defaults must be plain scalars."""
    return [
        f"option {name} has default {p.default!r}; expected true, false, a number or text"
        for name, p in declared(function_of(part)).items()
        if p.default is not p.empty and not isinstance(p.default, bool | int | float | str)
    ] + [
        f"option {name} is one the harness itself gives; call it otherwise"
        for name in declared(function_of(part))
        if (isinstance(part, Backbone) and name in OURS + (READ_OUT if part.layers else ()))
        or (isinstance(part, Dataset) and name in OF_DATASETS)
    ]


def _words(what: str, rest: str, positional: str | None) -> dict[str, str]:
    raw: dict[str, str] = {}
    tokens = rest.split(",") if rest else []
    if positional and tokens and not ASSIGNMENT.match(tokens[0]):
        # A path may hold commas: everything up to the first word that reads like an assignment
        # belongs to it.
        end = next((i for i, token in enumerate(tokens) if ASSIGNMENT.match(token)), len(tokens))
        raw[positional] = ",".join(tokens[:end])
        tokens = tokens[end:]
    for token in tokens:
        key, equals, value = token.partition("=")
        key = key.strip()
        if not key or key in raw:
            raise UsageError(
                f"{what}: {'option ' + key + ' is given twice' if key else 'an option is empty'};"
                " write name:key=value,key=value"
            )
        raw[key] = value.strip() if equals else "true"
    return raw


def _cast(text: str, parameter: inspect.Parameter, what: str) -> Scalar:
    default = parameter.default
    try:
        if isinstance(default, bool):
            return _flag(text, what)
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            number = float(text)
            if not math.isfinite(number):
                raise ValueError(text)
            return number
    except ValueError as error:
        raise UsageError(
            f"{what}: expected {'a whole number' if isinstance(default, int) else 'a number'}, got"
            f" {abbreviated(text)}"
        ) from error
    return text


def possible(path: str) -> bool:
    """Whether a file could be called so."""
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return b"\0" not in name and len(name) <= 4095 and max(map(len, name.split(b"/"))) <= 255


def _flag(text: str, what: str) -> bool:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise UsageError(f"{what}: expected true or false, got {abbreviated(text)}")


def _show(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
