"""Uploads finished results to MLflow and downloads them again. Results are safe on disk before any
of this runs.

``log`` uploads one result, ``push`` all that a server lacks, ``pull`` rebuilds the files; gaps and
ranks follow once they are known. Only ``client`` imports MLflow.
"""

from nverbench.results.tracking.address_checks import resolve
from nverbench.results.tracking.addresses import DEFAULT_URI, address, database_of, shown
from nverbench.results.tracking.log_results import log
from nverbench.results.tracking.pull_results import Pulled, pull
from nverbench.results.tracking.push_results import Pushed, push
from nverbench.results.tracking.ranks import log_gap, log_ranks

__all__ = [
    "DEFAULT_URI",
    "Pulled",
    "Pushed",
    "address",
    "database_of",
    "log",
    "log_gap",
    "log_ranks",
    "pull",
    "push",
    "resolve",
    "shown",
]
