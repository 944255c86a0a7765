"""Where fusions come from, and the recipes their papers fix."""

from __future__ import annotations

from nverbench import Recipe

RENO = "RENO, arXiv:2506.02258, EUSIPCO 2025"
PARROT = "PARROT, arXiv:2506.01138, Interspeech 2025"
MATA = "MATA, arXiv:2409.14221, ICASSP 2025"
RICOH = "Speech-only emotion recognition in conversation with Mamba (Ricoh)"
GMU = "Gated multimodal units, arXiv:1702.01992, ICLR workshop 2017"

# Adam 1e-3, batch 32, 50 epochs: paper (it stops early and does not say when); patience 10:
# re-impl.
PARROT_RECIPE = Recipe(optimizer="adam", lr=1e-3, batch=32, epochs=50, patience=10)
