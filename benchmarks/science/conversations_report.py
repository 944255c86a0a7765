"""The study of context in tables: scores beside the ceilings of ideal observers, and a verdict on
everything the generator planted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from conversations_rows import LEFT_OUT, Fact, Row

from nverbench.metrics.jackknife import Decisions, Interval, jackknife
from nverbench.metrics.significance import Comparison, compare
from nverbench.results import predictions
from nverbench.results.record import Result
from nverbench_datasets.conversation_ideal import Ideal


@dataclass(frozen=True)
class Measured:
    """A finished row."""

    result: Result
    decisions: Decisions


def decisions(stored: predictions.Predictions, classes: int, *, by_conversation: bool) -> Decisions:
    """Predictions in units of sessions; or of conversations, where one session alone was tested:
    they are drawn independently of each other.
    """
    own = stored.decisions(classes)
    return (
        replace(own, groups=tuple(clip.rpartition("/")[0] for clip in stored.ids))
        if by_conversation
        else own
    )


def verdict(planted: bool, difference: Interval) -> str:
    """Does what was found agree with what was planted? A gain counts where its whole interval lies
    above 0.

    Shuffled turns are more to learn from where their order says nothing: a negative cost does not
    contradict the generator.
    """
    if difference.low is None:
        return "no interval"
    gains = difference.low > 0
    if gains != planted:
        return "not shown" if planted else "FAILS"
    return "holds"


def percent(score: Interval, sign: str = "") -> str:
    """A score in percent, or a difference in points (``sign="+"``), with its interval."""
    ends = (
        ""
        if score.low is None or score.high is None
        else f" [{100 * score.low:{sign}.1f}, {100 * score.high:{sign}.1f}]"
    )
    return f"{100 * score.value:{sign}.1f}{ends}"


def table(corpus: str, ideal: Ideal, measured: Mapping[Row, Measured]) -> Iterator[str]:
    """The rows of a corpus, protocol by protocol, below the ceilings."""
    yield f"\n### {corpus}\n"
    yield (
        f"Ideal observers on its {ideal.scored} scored turns, accuracy: one turn"
        f" {100 * ideal.single:.1f}, all turns as a bag {100 * ideal.bag:.1f}, in their order"
        f" {100 * ideal.order:.1f}.\n"
    )
    yield (
        "| fusion | training turns shuffled | tested | accuracy [95%] | weighted F1 [95%] | seeds"
        " (sd) | best epoch | seconds a training |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for row, own in measured.items():
        r, scores = own.result, jackknife(own.decisions)
        spread = r.scores["accuracy"].seed_sd
        epochs = [fold.best_epoch for fold in r.per_fold]
        seeds = f"{r.seeds}" + (f" ({100 * spread:.1f})" if spread is not None else "")
        yield (
            f"| {row.fusion} | {row.shuffle} | {tested(row)} | {percent(scores['accuracy'])} |"
            f" {percent(scores['weighted_f1'])} | {seeds} | {sum(epochs) / len(epochs):.1f} of"
            f" {max(fold.epochs for fold in r.per_fold)} | {r.timings.fit / len(r.per_fold):.0f} |"
        )


def tested(row: Row) -> str:
    """The protocol of a row, in words."""
    return "each session in turn" if row.folds == LEFT_OUT else "session 5"


def judged(facts: Iterable[Fact], measured: Mapping[Row, Measured]) -> Iterator[str]:
    """A line per fact, and how many of them hold."""
    yield (
        "\n| corpus | tested | fact | planted | an ideal observer | found, points of accuracy [95%]"
        " | p | verdict |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    verdicts = []
    for fact in facts:
        c = compared(fact, measured)
        verdicts.append(verdict(fact.planted, c.difference))
        p = "-" if c.p is None else f"{c.p:.2g}"
        yield (
            f"| {fact.a.corpus} | {tested(fact.a)} | {fact.claim} |"
            f" {'yes' if fact.planted else 'no'} | {100 * fact.ceiling:+.1f} |"
            f" {percent(c.difference, '+')} | {p} | {verdicts[-1]} |"
        )
    count = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
    yield (
        f"\n{len(verdicts)} facts: {count}. Of those planted nowhere, luck alone lifts one in forty"
        " above 0."
    )


def compared(fact: Fact, measured: Mapping[Row, Measured]) -> Comparison:
    """The paired difference of accuracies."""
    return compare(measured[fact.a].decisions, measured[fact.b].decisions, metric="accuracy")
