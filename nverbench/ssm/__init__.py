"""State-space building blocks: the selective scan and the Mamba-1 mixer. Imported only inside ``load`` and ``build`` (torch is heavy)."""

from __future__ import annotations

from nverbench.ssm.mamba import MambaMixer
from nverbench.ssm.scan import selective_scan

__all__ = ["MambaMixer", "selective_scan"]
