"""The rules about the record of a fusion. No module is trained here."""

from __future__ import annotations

from nverbench.pipeline.compatibility import HONOURED
from nverbench.testing.check import Pass, Skip, rule, violation
from nverbench.testing.fusions.subject import FusionSubject
from nverbench.testing.imports import lazy_import
from nverbench.testing.options import options


@rule(
    "record",
    "The default loss is installed and gets the views it needs, and the recipe names what the"
    " harness offers.",
)
def record(subject: FusionSubject) -> Pass | Skip:
    part, loss, recipe = subject.part, subject.loss, subject.part.recipe_for(subject.options)
    if loss is None:
        do = "name a loss that is installed with it, such as cross-entropy"
        raise violation(subject, "an installed default_loss", repr(part.default_loss), do)
    if loss.needs == "views" and not part.views:
        do = "declare views=True, or another loss"
        raise violation(subject, "views, which its default loss needs", repr(part.views), do)
    for name, offered in HONOURED.items():
        value = getattr(recipe, name)
        if value not in (None, *offered):
            expected = f"{name} {' or '.join(offered)}"
            raise violation(subject, expected, repr(value), "correct the recipe")
    if recipe.unit == "conversation" and not subject.framed:
        expected = "wants='frames' with whole conversations"
        raise violation(subject, expected, repr(part.wants), "declare wants='frames'")
    for name in ("lr", "batch", "epochs", "patience"):
        value = getattr(recipe, name)
        if value is not None and not value > 0:
            expected = f"a recipe whose {name} is above 0"
            raise violation(subject, expected, repr(value), "correct the recipe")
    unit = "whole conversations" if subject.conversational else part.wants
    return Pass(f"default loss {part.default_loss}, {unit}")


CHECKS = (record, lazy_import, options)
