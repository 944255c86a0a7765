"""Results of third parties: a folder per result, checked by computing every number again, and by
reruns of other parties.

The whole content of a folder can be invented: computing it again can show that it contradicts
itself, never that it is true.
"""

from nverbench.leaderboard.submissions.bundle import ELSEWHERE, ENTRIES, make
from nverbench.leaderboard.submissions.entries import load_entries
from nverbench.leaderboard.submissions.verify import Verdict, Verifier

__all__ = ["ELSEWHERE", "ENTRIES", "Verdict", "Verifier", "load_entries", "make"]
