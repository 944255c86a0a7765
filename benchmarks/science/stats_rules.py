"""Other rules for the interval of a score, on the corpora of ``stats_hard.py``.

    python benchmarks/science/stats_rules.py [CORPORA]

Printed as Markdown, in percent: for each rule the lowest and the highest coverage of accuracy over
the cases of a kind with 5, 11 and 24 speakers, and the largest mean width as a multiple of that of
t(n_eff - 1).
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import t
from stats_hard import CASES, SPEAKERS, Case, Counted, corpora, truth

from nverbench.metrics.intervals import share_interval, standard_error
from nverbench.metrics.jackknife import leave_one_out
from nverbench.metrics.score_intervals import score_intervals

KINDS = {"scores in the middle and at chance": False, "scores near 98 %": True}


def rules(system: Counted) -> dict[str, tuple[float, float]]:
    """Rule -> the ends of the 95% interval of accuracy."""
    whole, without = leave_one_out(system)
    value, se = whole["accuracy"], float(standard_error(without["accuracy"]))
    units, clips = system.counted_units(), int(system.sizes().sum())
    few, many = (float(t.ppf(0.975, u - 1)) for u in (units.effective, units.number))
    satterthwaite = float(t.ppf(0.975, bell_mccaffrey(system.sizes() / clips)))
    spread = value * (1 - value)
    logit = few * se / spread if spread else 0.0
    inside = np.log(value / (1 - value)) if spread else np.inf
    korn = share_interval(value, se, units.effective, clips, 0.95) if se else (value, value)
    own = score_intervals(system, rule="effective")["accuracy"]
    return {
        "value +- t(G - 1) se": (value - many * se, value + many * se),
        "value +- t(n_eff - 1) se": (value - few * se, value + few * se),
        "value +- t se, Bell and McCaffrey": (
            value - satterthwaite * se,
            value + satterthwaite * se,
        ),
        "logit scale, t(n_eff - 1)": (
            float(1 / (1 + np.exp(logit - inside))),
            float(1 / (1 + np.exp(-logit - inside))),
        ),
        "Korn and Graubard alone": korn,
        "nver-2": (own.low if own.low is not None else 0.0, own.high if own.high else 1.0),
    }


def bell_mccaffrey(share: np.ndarray) -> float:
    """Degrees of freedom of the jackknife of a mean of units weighted by ``share`` (g,), for equal
    variances (Bell and McCaffrey 2002, "Bias reduction in standard errors for linear regression
    with multi-stage samples").
    """
    changes = (share / (1 - share))[:, None] * (np.eye(len(share)) - share)  # (g, g)
    changes -= changes.mean(0)
    form = changes.T @ changes
    return float(np.trace(form) ** 2 / (form**2).sum())


def measured(case: Case, draws: int, speakers: int) -> dict[str, tuple[float, float]]:
    """Rule -> coverage, and the mean width within [0, 1]."""
    true, found = truth(case)["accuracy"], []
    for (system,) in corpora(1, case, draws, speakers):
        ends = rules(system)
        found.append(np.clip(list(ends.values()), 0, 1))
    stack = np.array(found)  # (draws, rules, 2)
    held = ((stack[..., 0] <= true) & (true <= stack[..., 1])).mean(0)
    width = (stack[..., 1] - stack[..., 0]).mean(0)
    return {rule: (h, w) for rule, h, w in zip(ends, held, width, strict=True)}


def main(draws: int) -> None:
    print("| scores | rule | lowest | highest | width |")
    print("|---|---|--:|--:|--:|")
    for kind, near in KINDS.items():
        cases = [case for case in CASES if (case.easier > 0) == near]
        cells = [measured(case, draws, speakers) for case in cases for speakers in SPEAKERS]
        for rule in cells[0]:
            held = [100 * cell[rule][0] for cell in cells]
            width = max(cell[rule][1] / cell["value +- t(n_eff - 1) se"][1] for cell in cells)
            print(
                f"| {kind} | {rule} | {min(held):.1f} | {max(held):.1f} | {width:.1f} |", flush=True
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
