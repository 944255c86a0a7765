"""The BYOL-S network: waveform -> log-mel -> three convolutions -> one 512-d row per 80 ms.
Imported only inside ``load``.

The architecture is AudioNTT2020 of BYOL-A (Niizumi et al. 2021, arXiv 2103.06695, table I), d =
512, trained on speech (SERAB, BYOL-S). Axes: ``b`` clips, ``s`` samples, ``T`` mel frames, ``t`` =
floor(T / 8) rows.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from nverbench import ArtifactError, Frames, PartError, import_torchaudio
from nverbench_backbones.byol_s import MIN_SAMPLES
from nverbench_backbones.checkpoint_errors import is_state, reason, unlike
from nverbench_backbones.freeze import half_precision

MELS, CHANNELS, DIM = 64, 64, 512
LOG_MEL_MEAN, LOG_MEL_SD = -5.4919195, 5.0389895
"""The published example constants of BYOL-A. Statistics of the corpus under test would let one
clip's embedding depend on the others.
"""
EPS = torch.finfo(torch.float32).eps


class AudioNTT2020(nn.Module):
    """Log-mel (b, 1, 64, T) -> rows (b, t, 512). The modules carry the published names:
    ``features.0`` to ``.9``, ``fc.0`` and ``fc.3``.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (1, CHANNELS, CHANNELS):
            layers += [
                nn.Conv2d(channels, CHANNELS, 3, padding=1),
                nn.BatchNorm2d(CHANNELS),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.features = nn.Sequential(*layers)
        self.fc = nn.Sequential(
            nn.Linear(CHANNELS * MELS // 8, DIM),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(DIM, DIM),
            nn.ReLU(),
        )

    def forward(self, mel: Tensor) -> Tensor:
        """(b, 1, 64, T) -> (b, t, 512)."""
        maps = self.features(mel)  # (b, 64 channels, 8 mels, t)
        columns = maps.permute(0, 3, 2, 1).flatten(2)  # mel-major, then channel: (b, t, 8 * 64)
        rows: Tensor = self.fc(columns)  # (b, t, 512)
        return rows


class ByolS(nn.Module):
    """The loaded backbone: (waves (b, s), lengths (b,)) -> rows (b, t, 512). The clip's embedding
    is their mean plus their maximum.
    """

    def __init__(self, *, dtype: str = "float32") -> None:
        super().__init__()
        transforms = (
            import_torchaudio().transforms
        )  # defaults as BYOL-A has them: HTK mels, no area norm, centred with reflection, power 2
        self.mel = transforms.MelSpectrogram(
            sample_rate=16000,
            n_fft=1024,
            win_length=400,
            hop_length=160,
            f_min=60.0,
            f_max=7800.0,
            n_mels=MELS,
        )
        self.encoder = AudioNTT2020()
        self.dtype = dtype

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        """Each clip alone, cut to its own length: convolutions and the centred spectrogram would
        otherwise see the padding.
        """
        rows = [
            self._rows(wave[:n]) for wave, n in zip(waves, (int(n) for n in lengths), strict=True)
        ]  # b x (t_i, 512)
        valid = torch.tensor([len(r) for r in rows], device=rows[0].device)
        return Frames(nn.utils.rnn.pad_sequence(rows, batch_first=True), valid)  # (b, t, 512), (b,)

    def _rows(self, wave: Tensor) -> Tensor:
        if len(wave) < MIN_SAMPLES:
            raise PartError(
                f"byol-s: expected at least {MIN_SAMPLES} samples per clip, got {len(wave)}; pad"
                " the clip with zeros"
            )
        weight = self.encoder.fc[0].weight
        power = self.mel(wave.to(weight))  # (64, T), T = 1 + floor(s / 160)
        mel = (torch.log(power + EPS) - LOG_MEL_MEAN) / LOG_MEL_SD
        with half_precision(weight.device, self.dtype):
            rows: Tensor = self.encoder(mel[None, None])[0]  # (t, 512)
        return rows.to(mel.dtype)


def read_weights(path: Path, encoder: AudioNTT2020) -> dict[str, Tensor]:
    """The published state dict, its keys and shapes exactly those of ``encoder``.

    Raises:
        ArtifactError: the file cannot be read safely, or keys are missing, not expected, of another
            shape or not finite.
    """
    expected = "expected the published BYOL-S checkpoint (AudioNTT2020, 64 mels, 512-d)"
    if not path.is_file():
        raise ArtifactError(f"byol-s: {path}: no such file; {expected}")
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file can raise anything from the reader
        raise ArtifactError(
            f"byol-s: {path}: cannot be read as weights ({reason(error)}); {expected}; get it again"
        ) from error
    if not is_state(state):
        raise ArtifactError(f"byol-s: {path}: holds no state dict; {expected}")
    wanted = {key: tuple(value.shape) for key, value in encoder.state_dict().items()}
    faults = unlike(state, wanted)
    if faults:
        raise ArtifactError(f"byol-s: {path}: not these weights: {faults}; {expected}")
    return state
