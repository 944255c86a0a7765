"""z-score: the numbers are exactly those of all columns at once, for any shape, and the memory is
little more than that of the result.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from nverbench.training.scaling import LEAST_SD, Scaler

SHAPES = [
    (50, 1),
    (50, 2),
    (70, 63),
    (70, 64),
    (70, 65),
    (60, 129),
    (90, 768),
    (40, 13, 96),
    (40, 25, 3),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pieces_of_columns_give_the_bits_of_the_whole(shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    stream = (
        draw.standard_normal(shape) * draw.uniform(1e-3, 1e3, shape[1:])
        + draw.uniform(-50, 50, shape[1:])
    ).astype(np.float32)
    stream[:, 0] = 3.0  # constant
    rows = sorted(draw.permutation(shape[0])[: shape[0] * 4 // 5].tolist())
    whole = stream[rows].astype(np.float64)
    mean, sd = whole.mean(axis=0), whole.std(axis=0)
    sd = np.where(sd < LEAST_SD, 1.0, sd)
    scaler = Scaler.fit([stream], rows)
    np.testing.assert_array_equal(scaler.mean[0], mean)
    np.testing.assert_array_equal(scaler.sd[0], sd)
    (scaled,) = scaler.apply([stream])
    np.testing.assert_array_equal(scaled, ((stream - mean) / sd).astype(np.float32))


def test_scaling_takes_little_more_than_the_scaled_copy() -> None:
    stream = np.random.default_rng(0).standard_normal((4000, 640), dtype=np.float32)
    tracemalloc.start()
    try:
        Scaler.fit([stream], range(3200)).apply([stream])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.7 * stream.nbytes
