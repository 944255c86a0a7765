"""Every kind of part and its rules under one roof: ``checks(name)`` for pytest, ``trials`` for
everybody else. Light until a rule is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nverbench.errors import ConformanceError, NverbenchError, UsageError, nearest
from nverbench.plugin import discovery
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import resolve, split
from nverbench.plugin.records import Backbone, Dataset, Fusion, Loss, Part
from nverbench.testing.check import Check, Pass, Skip, describe_error

KINDS: dict[str, type] = {"backbone": Backbone, "dataset": Dataset, "fusion": Fusion, "loss": Loss}


@dataclass(frozen=True)
class Trial:
    """One rule and the part it is tried on."""

    check: Check[Any]
    subject: Any

    @property
    def rule(self) -> str:
        """Its name."""
        return self.check.name

    def outcome(self) -> Pass | Skip:
        """What trying it gives.

        Raises:
            ConformanceError: the rule does not hold; one line says what was expected, what came and
                what to do.
        """
        try:
            return self.check.run(self.subject)
        except ConformanceError:
            raise
        except NverbenchError as error:  # what the harness itself would say of the part
            raise ConformanceError(" ".join(str(error).split())) from error
        except Exception as error:
            raise ConformanceError(
                f"{self.subject}: expected rule {self.rule} to be tried, got"
                f" {describe_error(error)}; mend the part"
            ) from error

    def __call__(self) -> None:
        """Try it in a test: what does not apply is skipped with its reason."""
        outcome = self.outcome()
        if isinstance(outcome, Skip):
            import pytest

            pytest.skip(outcome.reason)


def checks(name: str, kind: str | None = None, *, slow: bool = False) -> list[Any]:
    """One named pytest item per rule of an installed part: the whole test of a plugin.

    >>> @pytest.mark.parametrize("check", checks("mymodel"))
    ... def test_it_conforms(check):
    ...     check()

    Args:
        name: an installed part, with options where they are wanted (``mymodel:layer=3``).
        kind: backbone, dataset, fusion or loss; None: the only one that has this name.
        slow: also the rules that take long for a large model.

    Raises:
        UsageError: no part, or several, have this name.
    """
    import pytest

    return [
        pytest.param(trial, id=trial.rule)
        for trial in trials(discovery.discover(), name, kind, slow=slow)
    ]


def trials(
    catalog: Catalog, name: str, kind: str | None = None, *, slow: bool = False
) -> Iterator[Trial]:
    """Every rule of a part of the catalog, not yet tried; arguments and errors as
    :func:`checks`.
    """
    part = find(catalog, split(name)[0], kind)
    resolve_given(part, name)
    subject = subject_of(part, name if ":" in name else "")
    return (Trial(check, subject) for check in rules_of(part, slow=slow))


def resolve_given(part: Part, text: str) -> None:
    """Nothing; raises UsageError where options were given that the part does not take."""
    if ":" in text:
        resolve(part, text)


def find(catalog: Catalog, name: str, kind: str | None = None) -> Part:
    """The only part of that name, or that of a kind.

    Raises:
        UsageError: none has it, or several kinds do and ``kind`` does not say which.
        CatalogError: two distributions claim it.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
    shelves: dict[str, Any] = {
        s.kind: s
        for s in (catalog.backbones, catalog.datasets, catalog.fusions, catalog.losses)
        if kind in (None, s.kind)
    }
    found = [s for s in shelves.values() if name in s.parts or name in s.refused]
    if len(found) > 1:
        raise UsageError(
            f"{name} is the name of a {' and of a '.join(s.kind for s in found)}; say which with"
            " --kind (kind=)"
        )
    if not found:
        known = [n for s in shelves.values() for n in s.parts]
        broken = "".join(
            f"; plugin {q.origin.plugin} of {q.origin} is in quarantine: {q.error}"
            for q in catalog.quarantine
        )
        raise UsageError(
            f"no {kind or 'part'} named {name!r} is installed; {nearest(name, known)}{broken}"
        )
    part: Part = found[0].get(name, catalog.quarantine)
    return part


def rules_of(part: Part, *, slow: bool = False) -> tuple[Check[Any], ...]:
    """The rules of its kind."""
    if isinstance(part, Backbone):
        from nverbench.testing.backbones.rules import backbone_checks

        return backbone_checks(slow=slow)
    if isinstance(part, Dataset):
        from nverbench.testing.datasets.rules import dataset_checks

        return dataset_checks()
    if isinstance(part, Fusion):
        from nverbench.testing.fusions.rules import fusion_checks

        return fusion_checks()
    from nverbench.testing.losses.rules import loss_checks

    return loss_checks()


def subject_of(part: Part, text: str = "") -> Any:
    """The part as its rules take it."""
    if isinstance(part, Backbone):
        from nverbench.testing.backbones.subject import Subject

        return Subject(part, text)
    if isinstance(part, Dataset):
        from nverbench.testing.datasets.subject import DatasetSubject

        return DatasetSubject(part, text)
    if isinstance(part, Fusion):
        from nverbench.testing.fusions.subject import FusionSubject

        return FusionSubject(part, text)
    from nverbench.testing.losses.subject import LossSubject

    return LossSubject(part, text)
