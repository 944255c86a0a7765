"""Clips per class, speaker and recording format; and clips that are too short."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from nverbench.data.audit.records import Balance, Measured, Sizes
from nverbench.plugin.records import Clip

SHORT = (0.1, 0.3, 0.5, 1.0)
"""Seconds."""


def balance(
    clips: Sequence[Clip], labels: Sequence[str], measured: Mapping[str, Measured]
) -> Balance:
    """Counts per class and speaker, missing pairs, and the mix of sampling rates and channels."""
    classes = Counter(str(c.label) for c in clips)
    speakers = Counter(c.speaker for c in clips if c.speaker is not None)
    present = {(c.speaker, c.label) for c in clips}
    gaps = {s: tuple(x for x in labels if (s, x) not in present) for s in sorted(speakers)}
    rates = {c.id: _text(measured[c.id].rate) for c in clips}
    channels = {c.id: _text(measured[c.id].channels) for c in clips}
    by_speaker = _mix(clips, rates, lambda c: c.speaker)
    known = Counter(r for r in rates.values() if r is not None)
    commonest = min(known, key=lambda r: (-known[r], r)) if known else None
    return Balance(
        classes={label: classes[label] for label in labels},
        speakers=dict(sorted(speakers.items())),
        largest_speaker=max(speakers.values(), default=0) / max(1, len(clips)),
        gaps={s: missing for s, missing in gaps.items() if missing},
        rates=_counted(rates.values()),
        channels=_counted(channels.values()),
        rates_by_class=_mix(clips, rates, lambda c: c.label),
        rates_by_speaker=by_speaker,
        channels_by_class=_mix(clips, channels, lambda c: c.label),
        channels_by_speaker=_mix(clips, channels, lambda c: c.speaker),
        own_rate=tuple(s for s, mix in by_speaker.items() if mix and commonest not in mix),
    )


def sizes(measured: Iterable[Measured], shortest: Iterable[tuple[str, float]]) -> Sizes:
    """The number of clips below round durations, and below what each backbone (name, seconds)
    embeds without padding.
    """
    seconds = [m.seconds for m in measured if m.seconds is not None]
    return Sizes(
        below={f"{limit:g}": sum(s < limit for s in seconds) for limit in SHORT},
        backbones={name: sum(s < limit for s in seconds) for name, limit in sorted(shortest)},
    )


def _mix(
    clips: Sequence[Clip], values: Mapping[str, str | None], of: Callable[[Clip], str | None]
) -> dict[str, dict[str, int]]:
    """The clips per value, for every class (or speaker)."""
    mixes: dict[str, list[str | None]] = defaultdict(list)
    for clip in clips:
        key = of(clip)
        if key is not None:
            mixes[key].append(values[clip.id])
    return {key: _counted(found) for key, found in sorted(mixes.items())}


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    """Counts, the commonest first."""
    counts = Counter(v for v in values if v is not None)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
