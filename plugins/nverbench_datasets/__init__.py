"""First-party datasets: published corpora, the procedural vocal-demo and conversation-demo, and
one's own recordings as a folder or a table.

Found through the entry point group ``nverbench`` only. Importing this imports neither numpy, scipy
nor soundfile.
"""

from __future__ import annotations

from collections.abc import Iterator

from nverbench import Dataset, hookimpl
from nverbench_datasets.asvp_esd import ASVP_ESD, ASVP_ESD_12, ASVP_ESD_BABIES
from nverbench_datasets.conversation_demo import CONVERSATION_DEMOS
from nverbench_datasets.crema_d import CREMA_D
from nverbench_datasets.donate_a_cry import DONATE_A_CRY
from nverbench_datasets.emodb import EMODB
from nverbench_datasets.emogator import EMOGATOR, EMOGATOR_10, EMOGATOR_41
from nverbench_datasets.folder import FOLDER
from nverbench_datasets.iemocap import IEMOCAP_4, IEMOCAP_6
from nverbench_datasets.jnv import JNV
from nverbench_datasets.mesd import MESD
from nverbench_datasets.ravdess import RAVDESS
from nverbench_datasets.table import DIALOGUES, TABLE
from nverbench_datasets.vivae import VIVAE, VIVAE_CORE
from nverbench_datasets.vocal_demo import VOCAL_DEMO
from nverbench_datasets.vocalsound import VOCALSOUND


@hookimpl
def nverbench_datasets() -> Iterator[Dataset]:
    """Every dataset this package brings."""
    yield from (ASVP_ESD, ASVP_ESD_12, ASVP_ESD_BABIES, JNV, VIVAE, VIVAE_CORE)
    yield from (EMOGATOR, EMOGATOR_10, EMOGATOR_41, DONATE_A_CRY, VOCALSOUND)
    yield from (CREMA_D, EMODB, MESD, RAVDESS, IEMOCAP_6, IEMOCAP_4)
    yield from (FOLDER, TABLE, DIALOGUES, VOCAL_DEMO, *CONVERSATION_DEMOS)
