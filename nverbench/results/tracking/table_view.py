"""How MLflow's UI shows an experiment: a shared view of its table, with columns and order, and jobs
without the runs of their folds.
"""

from __future__ import annotations

import json

NAME = "nverbench"
COLUMNS = (
    *(
        f"metrics.`{name}`"
        for name in (
            "accuracy",
            "macro_f1",
            "uar",
            "interval/low_macro_f1",
            "interval/high_macro_f1",
            "over_folds/sd_macro_f1",
        )
    ),
    *(f"params.`{name}`" for name in ("backbones", "fusion")),
    *(f"tags.`{name}`" for name in ("rank", "standing")),
)
TABLE = {
    "selectedColumns": COLUMNS,
    "orderByKey": "metrics.`macro_f1`",
    "orderByAsc": False,
    "searchFilter": "tags.fusion LIKE '%'",
}
TAGS = {
    f"mlflow.sharedViewState.{NAME}": json.dumps(TABLE),
    "mlflow.experiment.primaryMetric.name": "macro_f1",
    "mlflow.experimentKind": "custom_model_development",
}
"""A UI that does not know the view shows its own default. The last: not a project around a language
model, for which it has other pages.
"""


def link(experiment: str) -> str:
    """Markdown that opens the view."""
    return (
        "[The table of jobs, best"
        f" first](#/experiments/{experiment}/runs?viewStateShareKey={NAME}), without the runs of"
        " their folds."
    )
