"""Results of third parties: a folder per result, checked by computing every number again, and by
others who rerun it.

What a folder says can be invented from end to end; recomputing shows that it contradicts itself,
never that it is true.
"""

from nverbench.leaderboard.submissions.bundle import ELSEWHERE, ENTRIES, find, make
from nverbench.leaderboard.submissions.entries import load_entries
from nverbench.leaderboard.submissions.verify import Verdict, Verifier

__all__ = ["ELSEWHERE", "ENTRIES", "Verdict", "Verifier", "find", "load_entries", "make"]
