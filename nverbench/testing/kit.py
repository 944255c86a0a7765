"""Finds a part and its rules, and tries them: ``checks(name)`` for pytest, ``trials`` for other
callers. Importing this imports no heavy library; trying a rule does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nverbench.errors import ConformanceError, NverbenchError, UsageError, nearest, reason_of
from nverbench.plugin import discovery
from nverbench.plugin.catalog import Catalog, quarantine_note
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
        """The rule's name."""
        return self.check.name

    def outcome(self) -> Pass | Skip:
        """Tries the rule.

        Raises:
            ConformanceError: the rule does not hold; one line says what was expected, what came and
                what to do.
        """
        try:
            return self.check.run(self.subject)
        except ConformanceError:
            raise
        except NverbenchError as error:  # the error that the harness itself raises for the part
            raise ConformanceError(reason_of(error)) from error
        except Exception as error:
            raise ConformanceError(
                f"{self.subject}: expected rule {self.rule} to be tried, got"
                f" {describe_error(error)}; correct the part"
            ) from error

    def __call__(self) -> None:
        """Tries the rule in a test; a rule that does not apply is a skipped test with its
        reason.
        """
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
        name: an installed part, with options if needed (``mymodel:layer=3``).
        kind: backbone, dataset, fusion or loss; None: the only kind that has a part of this name.
        slow: whether to include the rules that take long for a large model.

    Raises:
        UsageError: no part, or several, have this name.
    """
    import pytest

    return [
        pytest.param(trial, id=trial.rule)
        for trial in trials(discovery.discover(), name, kind, slow=slow)
    ]


def items(*subjects: Any, slow: bool = False) -> list[Any]:
    """One pytest item per subject and rule, each a :class:`Trial`; parts need not be installed."""
    import pytest

    return [
        pytest.param(Trial(check, subject), id=f"{subject}-{check.name}")
        for subject in subjects
        for check in rules_of(subject.part, slow=slow)
    ]


def trials(
    catalog: Catalog, name: str, kind: str | None = None, *, slow: bool = False
) -> Iterator[Trial]:
    """Every rule of a part of the catalog, not yet tried; arguments and errors as
    :func:`checks`.
    """
    part = find(catalog, split(name)[0], kind)
    if ":" in name:
        resolve(part, name)  # raises UsageError for options that the part does not take
    subject = subject_of(part, name if ":" in name else "")
    return (Trial(check, subject) for check in rules_of(part, slow=slow))


def find(catalog: Catalog, name: str, kind: str | None = None) -> Part:
    """The only part of that name, or the one of the given kind.

    Raises:
        UsageError: no part has the name, or several kinds have one and ``kind`` is None.
        CatalogError: two distributions claim the name.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
    indexes: list[Any] = [
        index
        for index in (catalog.backbones, catalog.datasets, catalog.fusions, catalog.losses)
        if kind in (None, index.kind)
    ]
    found = [index for index in indexes if name in index.parts or name in index.refused]
    if len(found) > 1:
        kinds = " and of a ".join(index.kind for index in found)
        raise UsageError(f"{name} is the name of a {kinds}; say which with --kind (kind=)")
    if not found:
        known = nearest(name, [n for index in indexes for n in index.parts])
        broken = quarantine_note(catalog.quarantine)
        raise UsageError(f"no {kind or 'part'} named {name!r} is installed; {known}{broken}")
    part: Part = found[0].get(name, catalog.quarantine)
    return part


def rules_of(part: Part, *, slow: bool = False) -> tuple[Check[Any], ...]:
    """The rules of the part's kind."""
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
    """The part in the form that its rules take; ``text`` is a reference with options."""
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
