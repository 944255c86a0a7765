"""How much of an Audio-Mamba embedding is padding, by length of the clip and layout of the rows.

    python benchmarks/science/padding.py

The network reads windows of 2 s and keeps as many rows as the clip has. In the published layout a
row holds five places of the window, also those behind the end of a short clip.
"""

from __future__ import annotations

from nverbench_backbones.audio_mamba_network import padding_of

SECONDS = (0.5, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
LAYOUTS = ("published", "time")
RATE = 16000
HEAD = "| clip, s | layout | padding, % | of each block, % | own frames unused, % |"


def line(seconds: float, layout: str) -> str:
    """One line of the table."""
    found = padding_of(round(seconds * RATE), layout)
    blocks = ", ".join(f"{100 * share:.0f}" for share in found.blocks)
    numbers = f"{100 * found.share:.1f} | {blocks} | {100 * found.unused:.1f}"
    return f"| {seconds:g} | {layout} | {numbers} |"


def table() -> list[str]:
    """The table, in Markdown."""
    rows = [line(seconds, layout) for layout in LAYOUTS for seconds in SECONDS]
    return [HEAD, "|---|---|---|---|---|", *rows]


if __name__ == "__main__":
    print("\n".join(table()))
