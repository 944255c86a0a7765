"""Finished results, told to MLflow and read back from it. Results are safe on disk before anything here runs.

``log`` tells one result, ``push`` all that a server does not know, ``pull`` rebuilds the files; gaps and ranks follow once they are known. Only
``client`` imports MLflow.
"""

from nverbench.tracking.addresses import DEFAULT_URI, address, database_of, shown
from nverbench.tracking.pulling import Pulled, pull
from nverbench.tracking.pushing import Pushed, push
from nverbench.tracking.ranking import log_gap, log_ranks
from nverbench.tracking.telling import log

__all__ = ["DEFAULT_URI", "Pulled", "Pushed", "address", "database_of", "log", "log_gap", "log_ranks", "pull", "push", "shown"]
