"""That the options of a fusion or loss are options to the harness too, and that a mistyped word is
refused instead of run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nverbench.errors import NverbenchError, UsageError
from nverbench.plugin.options import check_plain, declared, resolve
from nverbench.plugin.records import Fusion, Loss
from nverbench.testing.check import Pass, expecting, violation

NONSENSE = "no-such-choice"


def options(
    subject: object,
    part: Fusion | Loss,
    fixed: int,
    full: Mapping[str, Any],
    build: Callable[..., object],
) -> Pass:
    """Keyword-only options with plain defaults; defaults build; unknown names are refused, and so
    are unknown words.

    Args:
        subject: whose message it is.
        part: the fusion or the loss.
        fixed: arguments that the harness itself gives to ``build``.
        full: every option of the reference, defaults included.
        build: builds with these keyword arguments.
    """
    parameters = list(inspect.signature(part.build).parameters.values())
    loose = [p.name for p in parameters[fixed:] if p.kind is p.POSITIONAL_OR_KEYWORD]
    if loose:
        do = f"write a * before {loose[0]} in build's signature"
        raise violation(
            subject,
            expected="keyword-only options: nobody can set others",
            got=f"{loose[0]} among the arguments",
            do=do,
        )
    for problem in check_plain(part):
        raise violation(
            subject,
            expected="options with plain defaults",
            got=problem,
            do="mend build's signature",
        )
    known = declared(part.build)
    try:
        resolve(part, f"{part.name}:{NONSENSE.replace('-', '_')}=1")
    except UsageError:
        pass
    else:
        raise violation(
            subject,
            expected="an unknown option to be refused",
            got="a reference",
            do="take no **options in build",
        )
    with expecting(subject, f"build to take its own defaults ({', '.join(known) or 'none'})"):
        build(**full)
    for name, value in full.items():
        if isinstance(value, str):
            _refused(subject, name, full, build)
    return Pass(f"{len(known)} options: {', '.join(known) or 'none'}")


def _refused(
    subject: object, name: str, full: Mapping[str, Any], build: Callable[..., object]
) -> None:
    """A word that is none of the choices."""
    do = (
        f"raise UsageError in build where {name} is none of its choices: a mistyped word would run"
        " as something else"
    )
    try:
        build(**{**full, name: NONSENSE})
    except NverbenchError:
        return
    except Exception as error:
        got = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
        raise violation(
            subject, expected=f"{name}={NONSENSE} to be refused with UsageError", got=got, do=do
        ) from error
    raise violation(
        subject,
        expected=f"{name}={NONSENSE} to be refused with UsageError",
        got="a part that was built",
        do=do,
    )
