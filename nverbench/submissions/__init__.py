"""Results of third parties: a folder per result, checked by computing every number again, and by others who rerun it.

What a folder says can be invented from end to end; recomputing shows that it contradicts itself, never that it is true.
"""

from nverbench.submissions.bundle import ELSEWHERE, ENTRIES, find, make
from nverbench.submissions.filed import filed
from nverbench.submissions.verify import Verdict, Verifier

__all__ = ["ELSEWHERE", "ENTRIES", "Verdict", "Verifier", "filed", "find", "make"]
