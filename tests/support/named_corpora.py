"""What is known of each published corpus, written down independently of its loader: for the tests
of names and of folders.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from nverbench import Dataset
from nverbench_datasets import (
    asvp_esd,
    crema_d,
    donate_a_cry,
    emodb,
    emogator,
    iemocap,
    jnv,
    mesd,
    ravdess,
    vivae,
    vocalsound,
)
from nverbench_datasets.named_files import Parse

UUID = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856"
CRY = f"{UUID}-1430742197-1.0-m-04-hu.wav"
ANDROID = "0c8f14a9-6999-485b-97a2-913c1cbf099c-1431028888092-1.7-m-26-ch.wav"
SIX = "ANG|DIS|FEA|HAP|SAD"

Clips = Mapping[str, tuple[str | None, str | None]]
"""Clip id -> label and group."""
Names = Mapping[tuple[str, str], tuple[str, str, str | None]]
"""(file name, folder) -> id, label, speaker or group."""


@dataclass(frozen=True)
class Case:
    """A dataset, and what is known of it."""

    dataset: Dataset
    total: int
    """Clips that the dataset declares."""
    place: str
    """Where clips lie in the tiny tree."""
    clips: Clips
    """What the tiny tree loads to."""
    parse: Parse | None = None
    scheme: str = ""
    """A regular expression for every published name."""
    good: Names = field(default_factory=dict)
    wrong: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(file name, folder) -> a word of the reason."""
    archive: str = "corpus"
    """The folder that the published archive unpacks to."""

    def published(self, name: str) -> bool:
        """Whether the scheme has this name, composed as loaders compose it (macOS may hand out
        decomposed accents).
        """
        return (
            re.fullmatch(
                self.scheme,
                unicodedata.normalize("NFC", name),
                re.ASCII if self.dataset.name != "mesd" else 0,
            )
            is not None
        )


def _grid(pattern: str, labels: Mapping[str, str], group: str, **fields: object) -> Clips:
    """Clips of the format strings ``pattern`` and ``group`` for every combination of the fields;
    ``e`` is looked up in ``labels``.
    """
    rows = [
        dict(zip(fields, values, strict=True)) for values in itertools.product(*fields.values())
    ]  # type: ignore[call-overload]
    return {
        pattern.format(**row): (labels[str(row["e"])], group.format(**row) or None) for row in rows
    }


CREMA = Case(
    crema_d.CREMA_D,
    7442,
    "AudioWAV",
    _grid(
        "{a}_{s}_{e}_XX",
        {"ANG": "anger", "SAD": "sad"},
        "{a}",
        a=range(1001, 1006),
        s=("DFA", "TIE"),
        e=("ANG", "SAD"),
    ),
    crema_d.parse,
    r"(?!1002_TIE_NEU|1076_ITS_NEU|1008_WSI|1009_MTI|1019_ITH)(100[1-9]|10[1-8][0-9]|109[01])_"
    rf"(IEO_(NEU_XX|({SIX})_(LO|MD|HI))|(TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI)_({SIX}|NEU)_XX)\.wav|1040_ITH_SAD_X\.wav",
    {
        ("1001_DFA_ANG_XX.wav", ""): ("1001_DFA_ANG_XX", "anger", "1001"),
        ("1091_IEO_FEA_HI.wav", ""): ("1091_IEO_FEA_HI", "fear", "1091"),
        ("1091_IEO_NEU_XX.wav", ""): ("1091_IEO_NEU_XX", "neutral", "1091"),
        ("1040_ITH_SAD_X.wav", ""): ("1040_ITH_SAD_XX", "sad", "1040"),
    },
    {
        ("1000_DFA_ANG_XX.wav", ""): "actor",
        ("1092_DFA_ANG_XX.wav", ""): "actor",
        ("1001_ABC_ANG_XX.wav", ""): "sentence",
        ("1001_DFA_SUR_XX.wav", ""): "emotion",
        ("1001_DFA_ANG_YY.wav", ""): "level",
        ("1001_DFA_ANG_X.wav", ""): "not named",
        ("1001_IEO_ANG_XX.wav", ""): "level",
        ("1001_IEO_NEU_LO.wav", ""): "level",
        ("1001_DFA_ANG_LO.wav", ""): "level",
        ("1002_TIE_NEU_XX.wav", ""): "7,442",
        ("1019_ITH_DIS_XX.wav", ""): "7,442",
        ("1001_DFA_ANG_XX.mp3", ""): "not named",
        ("1001_DFA_ANG_XX.wav\n", ""): "not named",
    },
)
BERLIN = Case(
    emodb.EMODB,
    535,
    "wav",
    _grid(
        "{a}a01{e}{v}",
        {"W": "anger", "T": "sadness"},
        "{a}",
        a=("03", "08", "09", "10", "11"),
        e="WT",
        v="ab",
    ),
    emodb.parse,
    r"(03|08|09|1[0-6])(a0[12457]|b0[1239]|b10)[WLNFATE][a-z]\.wav",
    {
        ("03a01Fa.wav", ""): ("03a01Fa", "happiness", "03"),
        ("16b10Tb.wav", ""): ("16b10Tb", "sadness", "16"),
    },
    {
        ("04a01Fa.wav", ""): "speaker",
        ("03a03Fa.wav", ""): "text",
        ("03a01Xa.wav", ""): "emotion",
        ("03a01F.wav", ""): "not named",
        ("03a01FA.wav", ""): "not named",
        ("\u0660\u0663a01Fa.wav", ""): "not named",
    },
)
MEXICO = Case(
    mesd.MESD,
    862,
    "",
    _grid(
        "{e}_{v}_A_{w}",
        {"Anger": "Anger", "Sadness": "Sadness"},
        "",
        e=("Anger", "Sadness"),
        v="FMC",
        w=("abajo", "ayer", "gracias", "hoy"),
    ),
    mesd.parse,
    r"(Anger|Disgust|Fear|Happiness|Neutral|Sadness)_[FMC]_[AB]_[^\W\d_]([^\W\d]|[ -])*\.wav",
    {
        ("Anger_F_A_abajo.wav", ""): ("Anger_F_A_abajo", "Anger", None),
        ("Neutral_C_B_dif\u00edcil.wav", ""): ("Neutral_C_B_dif\u00edcil", "Neutral", None),
    },
    {
        ("Joy_F_A_abajo.wav", ""): "emotion",
        ("anger_F_A_abajo.wav", ""): "emotion",
        ("Anger_X_A_abajo.wav", ""): "voice",
        ("Anger_F_C_abajo.wav", ""): "word corpus",
        ("Anger_F_A_.wav", ""): "not named",
        ("Anger_F_A_\udce9.wav", ""): "not named",
        ("Anger_F_B_1_abuso.wav", ""): "not named",
        ("Anger_F_B_L1_abuso.wav", ""): "not named",
    },
    archive="cy34mh68j9-5/Mexican Emotional Speech Database (MESD)",
)
RYERSON = Case(
    ravdess.RAVDESS,
    1440,
    "Actor_05",
    _grid(
        "03-01-{e}-01-01-{r}-{a:02d}",
        {"04": "sad", "05": "angry"},
        "{a:02d}",
        a=range(1, 6),
        e=("04", "05"),
        r=("01", "02"),
    ),
    ravdess.parse,
    r"03-01-(01-01|0[2-8]-0[12])-0[12]-0[12]-(0[1-9]|1[0-9]|2[0-4])\.wav",
    {
        ("03-01-06-01-02-01-12.wav", "Actor_12"): ("03-01-06-01-02-01-12", "fearful", "12"),
        ("03-01-01-01-01-01-01.wav", ""): ("03-01-01-01-01-01-01", "neutral", "01"),
    },
    {
        ("03-02-06-01-02-01-12.wav", ""): "song",
        ("01-01-06-01-02-01-12.wav", ""): "modality",
        ("03-01-09-01-02-01-12.wav", ""): "emotion 09",
        ("03-01-00-01-02-01-12.wav", ""): "emotion 00",
        ("03-01-06-01-02-01-25.wav", ""): "actor",
        ("03-01-06-03-02-01-12.wav", ""): "intensity",
        ("03-01-01-02-01-01-12.wav", ""): "neutral",
        ("a.wav", ""): "not named",
    },
)
CRIES = Case(
    donate_a_cry.DONATE_A_CRY,
    457,
    f"{donate_a_cry.CLEANED}/hungry",
    {
        f"0000000{n}-0000-4000-8000-00000000000{n}-{time + 600 * n}-1.0-f-04-{tag}": (
            label,
            f"0000000{n}-0000-4000-8000-00000000000{n}",
        )
        for n in range(5)
        for time in (1430000000, 1430000060)
        for tag, label in (("hu", "hungry"), ("ti", "tired"))
    },
    donate_a_cry.parse,
    r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}-([0-9]{10}|[0-9]{13})-[0-9]\.[0-9]-[mf]-(04|48|26|72|22)-(hu|dc|ch|ti|bp|bu)\.wav",
    {
        (CRY, "hungry"): (CRY[:-4], "hungry", UUID),
        (ANDROID, "discomfort"): (ANDROID[:-4], "discomfort", ANDROID[:36]),
    },
    {
        (CRY.replace("-hu.", "-lo."), "hungry"): "tag lo",
        (CRY.replace("-hu.", "-xx."), "hungry"): "tag",
        (CRY.replace(".wav", ".caf"), "hungry"): "not named",
        (CRY[1:], "hungry"): "not named",
        (CRY.replace("-04-", "-05-"), "hungry"): "not named",
    },
    archive=f"donateacry-corpus-{donate_a_cry.REVISION}",
)
SOUNDS = Case(
    vocalsound.VOCALSOUND,
    21024,
    "audio_16k",
    _grid(
        "{s}_{c}_{e}",
        {"laughter": "laughter", "sigh": "sigh"},
        "{s}",
        e=("laughter", "sigh"),
        c=(0, 1),
        s=("f0003", "m0004", "f0005", "m0006", "f0007", "m0008"),
    ),
    vocalsound.parse,
    r"[fm][0-9]{4}_[0-9]+_(laughter|sigh|cough|throatclearing|sneeze|sniff)\.wav",
    {
        ("f0003_0_cough.wav", ""): ("f0003_0_cough", "cough", "f0003"),
        ("m2641_1_throatclearing.wav", ""): ("m2641_1_throatclearing", "throatclearing", "m2641"),
    },
    {
        ("f0003_0_yawn.wav", ""): "sound",
        ("x0003_0_cough.wav", ""): "not named",
        ("f003_0_cough.wav", ""): "not named",
        ("f0003_cough.wav", ""): "not named",
    },
    archive="data",
)
_ASVP = {
    **{
        f"Audio/actor_{a:02d}/03-02-{e}-01-01-{a:02d}-02-{1 + a % 3:02d}-01": (label, f"{a:02d}")
        for a in range(1, 7)
        for e, label in (("03", "happy"), ("04", "sad"), ("13", "breath"))
    },
    "Audio/actor_02/03-02-04-02-03-02-02-03-01-01-02-77": ("sad", "02"),
}
ASVP = Case(
    asvp_esd.ASVP_ESD,
    7545,
    "Audio/actor_03",
    _ASVP,
    asvp_esd.parse,
    r"03-02-(0[1-9]|1[0-3])(-[0-9]{1,3}){4}(-[^-]*){1,5}\.wav",
    {
        ("03-02-03-01-01-01-02-01.wav", "Audio/actor_01"): (
            "Audio/actor_01/03-02-03-01-01-01-02-01",
            "happy",
            "01",
        ),
        ("03-02-13-01-01-120-02-01-01-01-02-77.wav", "Audio"): (
            "Audio/03-02-13-01-01-120-02-01-01-01-02-77",
            "breath",
            "120",
        ),
    },
    {
        ("01-02-03-01-01-01-02-01.wav", "Audio"): "modality 01",
        ("03-03-03-01-01-01-02-01.wav", "Audio"): "vocal channel 03",
        ("03-02-14-01-01-01-02-01.wav", "Audio"): "emotion 14",
        ("03-02-003-01-01-01-02-01.wav", "Audio"): "emotion 003",
        ("03-02-17-01-01-01-02-01.wav", "Audio"): "emotion 17",
        ("03-02-03-01-01-01-02.wav", "Audio"): "not named",
        ("03-02-03-01-01-xx-02-01.wav", "Audio"): "not named",
        ("03-02-03-01-01-01-02-01.mp3", "Audio"): "not named",
        ("03-02-03-01-01-01-02-01.wav\n", "Audio"): "not named",
        ("03-02-\u0660\u0663-01-01-01-02-01.wav", "Audio"): "not named",
    },
)
ASVP_12 = Case(
    asvp_esd.ASVP_ESD_12,
    7545 - 172,
    "Audio/actor_02",
    {i: said for i, said in _ASVP.items() if said[0] != "breath"},
)
ASVP_BABIES = Case(
    asvp_esd.ASVP_ESD_BABIES,
    8824,
    "Bonus/actor_07",
    {**_ASVP, "Bonus/actor_07/03-02-04-01-01-07-04-02": ("sad", "07")},
)
TOKYO = Case(
    jnv.JNV,
    420,
    "F1",
    _grid(
        "{s}_{e}_01_{k}",
        {"angry": "angry", "sad": "sad"},
        "{s}",
        s=("F1", "F2", "M1", "M2"),
        e=("angry", "sad"),
        k="RF",
    ),
    jnv.parse,
    r"[FM][12]_(angry|disgust|fear|happy|sad|surprise)_[0-9A-Za-z]+_[RF]\.wav",
    {
        ("F1_angry_00_R.wav", "F1"): ("F1_angry_00_R", "angry", "F1"),
        ("F1_surprise_105_F.wav", "F1"): ("F1_surprise_105_F", "surprise", "F1"),
    },
    {
        ("F3_angry_01_R.wav", "F1"): "speaker F3 is not one of",
        ("F1_calm_01_R.wav", "F1"): "emotion calm",
        ("F1_angry_01_X.wav", "F1"): "phrase kind",
        ("F1_angry_01.wav", "F1"): "not named",
        ("F1_angry_01_R.mp3", "F1"): "not named",
        ("F1_angry_01_R.wav\n", "F1"): "not named",
    },
    archive="jnv_corpus_ver3/JNV",
)
_VIVAE = _grid(
    "S{s:02d}_{e}_{i}_01",
    {"anger": "anger", "pleasure": "pleasure"},
    "S{s:02d}",
    s=range(1, 6),
    e=("anger", "pleasure"),
    i=("low", "peak"),
)
VIVAE = Case(
    vivae.VIVAE,
    1085,
    "full_set",
    _VIVAE,
    vivae.parse,
    r"S(0[1-9]|1[01])_(achievement|anger|fear|pain|pleasure|surprise)_(low|moderate|strong|peak)_[0-9A-Za-z]+\.wav",
    {
        ("S11_achievement_moderate_07.wav", ""): (
            "S11_achievement_moderate_07",
            "achievement",
            "S11",
        )
    },
    {
        ("S12_anger_low_01.wav", ""): "speaker S12",
        ("S00_anger_low_01.wav", ""): "speaker S00",
        ("S01_triumph_low_01.wav", ""): "state triumph",
        ("S01_anger_loud_01.wav", ""): "intensity loud",
        ("S01_anger_low_01.WAV", ""): "not named",
        ("S01_anger_low_01.wav\n", ""): "not named",
        ("S1_anger_low_01.wav", ""): "not named",
        ("S01_anger_low.wav", ""): "not named",
    },
    archive="VIVAE",
)
VIVAE_CORE = Case(
    vivae.VIVAE_CORE,
    480,
    "core_set",
    {i: said for i, said in _VIVAE.items() if "peak" in i},
    archive="VIVAE",
)
_GATOR = _grid(
    "{c:06d}-{e}-{t}",
    {"02": "Amusement", "24": "Sadness"},
    "{c:06d}",
    c=(1, 10, 19, 28, 37),
    e=("02", "24"),
    t=(1, 2),
)
GATOR = Case(
    emogator.EMOGATOR,
    32130,
    "data/mp3",
    _GATOR,
    emogator.parse,
    r"(?!000000)000([0-2][0-9]{2}|3[0-4][0-9]|35[0-7])-(0[1-9]|[12][0-9]|30)-[123]\.mp3",
    {
        ("000001-01-1.mp3", ""): ("000001-01-1", "Adoration", "000001"),
        ("000086-04-1.mp3", ""): ("000086-04-1", "Awe", "000086"),
        ("000357-30-3.mp3", ""): ("000357-30-3", "Triumph", "000357"),
    },
    {
        ("000000-01-1.mp3", ""): "contributor",
        ("000358-01-1.mp3", ""): "contributor",
        ("000001-00-1.mp3", ""): "category",
        ("000001-31-1.mp3", ""): "category",
        ("000001-01-0.mp3", ""): "take",
        ("000001-01-4.mp3", ""): "take",
        ("000001-01-1.MP3", ""): "not named",
        ("000001-01-1.wav", ""): "not named",
        ("000001-1-1.mp3", ""): "not named",
        (" 000001-01-1.mp3", ""): "not named",
        ("000001-01-1.mp3\n", ""): "not named",
        ("\u0660\u0660\u0660\u0660\u0660\u0661-01-1.mp3", ""): "not named",
        (".DS_Store", ""): "not named",
    },
    archive=f"EmoGator-{emogator.REVISION}",
)
GATOR_10 = Case(
    emogator.EMOGATOR_10, 10710, "data/mp3", _GATOR, archive=f"EmoGator-{emogator.REVISION}"
)
_TURNS = {
    f"{d}_{'FM'[t % 2]}{t // 2:03d}": (label, d[:5])
    for s in range(1, 6)
    for d, last in ((f"Ses0{s}F_impro01", "sad"), (f"Ses0{s}M_script01_1b", "hap"))
    for t, label in enumerate(("neu", "fru", None, "ang", last, "exc"))
}
USC = Case(
    iemocap.IEMOCAP_6,
    7380,
    "Session1/sentences/wav/Ses01F_impro01",
    _TURNS,
    archive="IEMOCAP_full_release",
)
USC_4 = Case(
    iemocap.IEMOCAP_4,
    5531,
    "Session2/sentences/wav/Ses02M_script01_1b",
    {
        i: ({"exc": "hap"}.get(str(label), label), group)
        for i, (label, group) in _TURNS.items()
        if label not in (None, "fru")
    },
    archive="IEMOCAP_full_release",
)

NAMED = [CREMA, BERLIN, MEXICO, RYERSON, CRIES, SOUNDS, ASVP, TOKYO, VIVAE, GATOR]
"""One case per corpus whose clips are told by their names."""
CASES = [*NAMED, ASVP_12, ASVP_BABIES, VIVAE_CORE, GATOR_10, USC, USC_4]
"""One case per dataset that has a tiny tree of published layout."""
