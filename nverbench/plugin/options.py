"""Parses part references such as ``reno:align_dim=128`` or ``audio-mamba-tiny:untrained``, and
writes them in canonical text.

The options of a part are the keyword-only parameters of its function. Canonical text is sorted and
has no defaults.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nverbench.errors import UsageError, abbreviated, nearest
from nverbench.plugin import harness_options
from nverbench.plugin.records import Backbone, Dataset, Part

Scalar = bool | int | float | str
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
QUOTES = "'\""
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class PartRef:
    """A part and its options, as a user or the registry refers to it."""

    name: str
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """Options that differ from the part's defaults, sorted."""
    full: Mapping[str, Scalar] = field(default_factory=dict)
    """Every option, defaults included."""
    positional: str | None = None
    local: tuple[str, ...] = ()
    """Options that hold local paths."""
    untrained: bool = False
    """Backbones only: seeded random weights of the same architecture."""
    weights: str | None = None
    """Backbones only: the path of the user's own weights."""
    layer: int | None = None
    """Backbones with layers only: the layer whose time mean is the embedding; None: the last."""
    weighted: bool = False
    """Backbones with layers only (``layers=weighted``): all layers, mixed by a softmax that is
    trained with the fusion.
    """
    exclude: tuple[str, ...] = ()
    """Datasets only (``exclude=A+B``): labels left out, sorted; a separately named label set."""
    test: str | None = None
    """Datasets only (``test=NAME``): the dataset to test on after training on this one; labels then
    have their common names.
    """
    project: int | None = None
    """Backbones only: the width of a PCA of the embedding, fitted on the training part."""
    segments: int | None = None
    """Backbones only: parts of equal duration of which each is pooled alone; None: the whole
    clip.
    """
    blocks: int | None = None
    """Backbones with blocks only (``blocks=mean``): the number of blocks that are averaged."""

    def __str__(self) -> str:
        options = self.options.items()
        shown = {k: Path(str(v)).name if k in self.local else _show(v) for k, v in options}
        named = {**shown, **self.read_out(), **self.clip_set()}
        words = sorted(f"{k}={v}" for k, v in named.items() if k != self.positional)
        if self.positional in shown:
            words.insert(0, shown[str(self.positional)])
        words += ["untrained"] if self.untrained else []
        words += [f"weights={Path(self.weights).name}"] if self.weights else []
        return f"{self.name}:{','.join(words)}" if words else self.name

    def identity(self) -> dict[str, Any]:
        """The fields that enter a result's id; local paths do not, the digest of their contents
        does.
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
        """The labels of a dataset that are left out, and the other dataset to test on, if any."""
        given = {"exclude": "+".join(self.exclude) or None, "test": self.test}
        return {k: v for k, v in given.items() if v is not None}

    def read_out(self) -> dict[str, Scalar]:
        """How the embedding is taken from the output of one forward pass: layer, layers, segments,
        blocks, project. Of these options only ``segments`` needs frames, and so a pass of its own.
        """
        given = {
            "layer": self.layer,
            "layers": "weighted" if self.weighted else None,
            "segments": self.segments,
            "blocks": "mean" if self.blocks else None,
            "project": self.project,
        }
        return {k: v for k, v in given.items() if v is not None}


def split(text: str) -> tuple[str, str]:
    """The name before the first colon, and the text after it."""
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
    """Parse the reference ``text`` (``name:k=v,k=v``) to ``part``.

    Raises:
        UsageError: an unknown option, a value of the wrong type, or a required option left out.
    """
    name, rest = split(text)
    what = f"{type(part).__name__.lower()} {name}"
    known = declared(function_of(part))
    if isinstance(part, Backbone | Dataset):
        positional, local = part.positional, part.local
    else:
        positional, local = None, ()
    raw = _words(what, rest, positional)
    for key in {*local, "weights"} & raw.keys():
        if not possible(raw[key]):
            path = f"{abbreviated(raw[key])} ({len(raw[key]):,} letters)"
            raise UsageError(
                f"{what}: {key}: expected a path, got {path}, which no file can be called"
            )
    given: dict[str, Any] = {}
    if isinstance(part, Backbone):
        given = _weights(raw, what) | harness_options.read_out(part, raw, known)
    elif isinstance(part, Dataset):
        given = harness_options.clip_set(part, raw)
    for key in raw:
        if key not in known:
            hint = nearest(key, known) if known else "it takes none"
            if positional in local and rest.lstrip().startswith(f"{key}="):
                hint += f"; if it is a path, write {name}:./{abbreviated(rest).strip(QUOTES)}"
            raise UsageError(f"{what} has no option {abbreviated(key)}; {hint}")
    values: dict[str, Scalar] = {}
    for key, parameter in sorted(known.items()):
        if key in raw:
            values[key] = _cast(raw[key], parameter, f"{what}: option {key}")
        elif parameter.default is parameter.empty:
            hint = f"{name}:{key.upper()}" if key == positional else f"{name}:{key}=..."
            raise UsageError(f"{what} needs {key}; write {hint}")
        else:
            values[key] = parameter.default
    changed = {k: v for k, v in values.items() if v != known[k].default}
    return PartRef(name, changed, values, positional, local, **given)


def _weights(raw: dict[str, str], what: str) -> dict[str, Any]:
    """The options ``untrained`` and ``weights`` of every backbone, taken out of ``raw``."""
    untrained = _flag(raw.pop("untrained", "false"), f"{what}: untrained")
    weights = raw.pop("weights", None)
    if untrained and weights:
        raise UsageError(f"{what}: untrained and weights=PATH contradict each other; give one")
    return {"untrained": untrained, "weights": weights}


def canonical(parts: Mapping[str, Any], text: str) -> str:
    """A reference in canonical text; unchanged if its part is not in ``parts`` (by name)."""
    part = parts.get(split(text)[0])
    return str(resolve(part, text)) if part is not None else text


def check_plain(part: Part) -> list[str]:
    """The faults of a part's option declarations: a default that is no plain scalar, or the name of
    an option that the harness gives.
    """
    known = declared(function_of(part))
    odd = [
        f"option {name} has default {p.default!r}; expected true, false, a number or text"
        for name, p in known.items()
        if p.default is not p.empty and not isinstance(p.default, Scalar)
    ]
    taken = harness_options.names(part)
    return odd + [
        f"option {name} is one the harness itself gives; call it otherwise"
        for name in known
        if name in taken
    ]


def _words(what: str, rest: str, positional: str | None) -> dict[str, str]:
    """The options of a reference as texts: ``key=value`` pairs, or a bare key for true."""
    raw: dict[str, str] = {}
    tokens = rest.split(",") if rest else []
    if positional and tokens and not ASSIGNMENT.match(tokens[0]):
        # A path may hold commas: all tokens up to the first that looks like an assignment are one.
        end = next((i for i, token in enumerate(tokens) if ASSIGNMENT.match(token)), len(tokens))
        raw[positional] = ",".join(tokens[:end])
        tokens = tokens[end:]
    for token in tokens:
        key, equals, value = token.partition("=")
        key = key.strip()
        if not key or key in raw:
            problem = f"option {key} is given twice" if key else "an option is empty"
            raise UsageError(f"{what}: {problem}; write name:key=value,key=value")
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
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise UsageError(f"{what}: expected {kind}, got {abbreviated(text)}") from error
    return text


def possible(path: str) -> bool:
    """Whether a path is short enough, and encodable, to be the path of a file."""
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
