"""What the spectrogram transformers share: windows of fixed length, every layer's mean over a
clip's valid frames, the layer asked for.

Imported only inside ``load``. A window has the length the published model was trained on, whatever
the clip, so the windows of different clips run side by side and no clip can see another. Axes:
``b`` clips, ``w`` windows, ``t`` frames of one window, ``d`` dimensions, ``L`` layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nverbench import Frames, UsageError

AT_ONCE = 4
"""Windows that go through the network together; bounds memory (L x 4 x t x d numbers) whatever the
length of the clips.
"""


def check_layer(name: str, layer: int | None, layers: int) -> int:
    """The index of the layer whose frames are requested: ``layer``, or the last for None.

    Raises:
        UsageError: outside 0 to ``layers`` - 1.
    """
    if layer is None:
        return layers - 1
    if not 0 <= layer < layers:
        raise UsageError(
            f"{name}: layer is {layer}; expected 0 (what the first block reads) to {layers - 1}"
            " (the last block's output)"
        )
    return layer


def encode_windows(
    clips: Sequence[Tensor],
    totals: Sequence[int],
    states: Callable[[Tensor], Sequence[Tensor]],
    *,
    per_window: int,
    layer: int,
) -> Frames:
    """Frames of one layer and the time means of all of them.

    Args:
        clips: one tensor (w_i, ...) per clip, its windows in order.
        totals: valid frames per clip; all its windows but the last are full.
        states: windows (w, ...) -> L tensors (w, t, d).
        per_window: t.
        layer: whose frames are returned.
    """
    device, dtype = clips[0].device, clips[0].dtype
    counts = [len(clip) for clip in clips]
    valid = [
        min(per_window, total - i * per_window)
        for count, total in zip(counts, totals, strict=True)
        for i in range(count)
    ]
    rows, sums = [], []
    for part, n in zip(
        torch.cat(list(clips)).split(AT_ONCE),
        torch.tensor(valid, device=device).split(AT_ONCE),
        strict=True,
    ):
        every = [state.to(dtype) for state in states(part)]  # L x (w, t, d)
        # (w, t, 1): 1 where the clip is, 0 on its padding
        own = (torch.arange(per_window, device=device) < n[:, None]).to(dtype).unsqueeze(2)
        rows.append(every[layer])
        sums.append(torch.stack([(state * own).sum(1) for state in every], dim=1))  # (w, L, d)
    frames = [
        row.flatten(0, 1)[:total]
        for row, total in zip(torch.cat(rows).split(counts), totals, strict=True)
    ]  # b x (t_i, d)
    layers = torch.stack(
        [
            part.sum(0) / total
            for part, total in zip(torch.cat(sums).split(counts), totals, strict=True)
        ]
    )  # (b, L, d)
    return Frames(
        nn.utils.rnn.pad_sequence(frames, batch_first=True),
        torch.tensor(totals, device=device),
        layers,
    )
