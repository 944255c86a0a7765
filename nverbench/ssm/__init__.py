"""State-space building blocks: the selective scan and the Mamba-1 mixer. torch is imported at the
first use of one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nverbench.ssm.mamba import MambaMixer
    from nverbench.ssm.scan import causal_conv, selective_scan

__all__ = ["MambaMixer", "causal_conv", "selective_scan"]


def __getattr__(name: str) -> Any:
    if name == "MambaMixer":
        from nverbench.ssm.mamba import MambaMixer

        return MambaMixer
    if name in ("causal_conv", "selective_scan"):
        from nverbench.ssm import scan

        return getattr(scan, name)
    raise AttributeError(f"module 'nverbench.ssm' has no attribute {name!r}")
