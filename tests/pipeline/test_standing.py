"""The standing of a row: official when everything matches the registry; else every reason is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nverbench import Backbone, Clip, Dataset, LabelCard, UsageError
from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FoldSet
from nverbench.embedding.weights import PlannedBackbone, Weights
from nverbench.pipeline.standing import RowFacts, Standing, heard_in_pretraining, judge
from nverbench.plugin.options import PartRef, resolve
from nverbench.registry import DatasetPin, Entry, Registry, load

PACKAGED = load()
ENTRY = Entry(("net",), "linear", None, "corpus", grid="a-grid")
DATASET = Dataset(
    name="corpus", load=lambda root: [], label_card=LabelCard(kind="portrayed", setting="acted")
)
CUT = FoldSet("speaker", (), "c" * 64, ())
CORPUS = Corpus(
    DATASET,
    PartRef("corpus"),
    (Clip("a", Path("a"), "joy"),),
    ("anger", "joy"),
    {},
    "d" * 64,
    {},
    (),
    (),
    partial=False,
)
PIN = DatasetPin(source="here", licence="MIT", digest="d" * 64, folds={"speaker": "c" * 64})


def network(context: Any, *, depth: int = 12) -> Any: ...


def stored(ids: Any) -> Any: ...


NET = Backbone(name="net", family="mamba", frame_dim=2, dim=2, load=network)
FEATURES = Backbone(name="net", family="features", frame_dim=0, dim=0, lookup=stored)


def planned(text: str = "net", *, part: Backbone = NET, pinned: bool = True) -> PlannedBackbone:
    return PlannedBackbone(part, resolve(part, text), Weights(None, "w" * 64, pinned))


def registry(pin: DatasetPin | None = PIN) -> Registry:
    return replace(PACKAGED, datasets={"corpus": pin} if pin else {})


def judged(
    *,
    entry: Entry = ENTRY,
    rules: Registry | None = None,
    protocol: str = "nver-1",
    backbones: Sequence[PlannedBackbone] | None = None,
    corpus: Corpus = CORPUS,
    cut: FoldSet = CUT,
    lock: dict[str, Any] | None = None,
    overridden: Sequence[str] = (),
    seeds: int = 5,
    transductive: bool = False,
    leaks: Sequence[str] = (),
) -> Standing:
    """The standing of a row that is official unless something is changed."""
    facts = RowFacts(
        entry,
        protocol,
        backbones or [planned()],
        corpus,
        cut,
        overridden=overridden,
        seeds=seeds,
        transductive=transductive,
        leaks=leaks,
    )
    return judge(facts, rules or registry(), lock or {})


def test_a_row_that_matches_the_registry_in_everything_is_official():
    assert judged() == Standing("official", ())


def test_more_replicates_than_asked_for_are_official_too():
    assert judged(seeds=6).level == "official"


UNOFFICIAL: dict[str, dict[str, Any]] = {
    "overridden: dtype bfloat16": {"overridden": ["dtype bfloat16"]},
    "not a registered entry": {"entry": replace(ENTRY, grid="")},
    "protocol as-published-stop is not nver-1": {"protocol": "as-published-stop"},
    "net:untrained is untrained": {"backbones": [planned("net:untrained")]},
    "net:weights=w.pth uses weights of one's own": {"backbones": [planned("net:weights=/a/w.pth")]},
    "net uses weights of one's own": {"backbones": [planned(part=FEATURES)]},
    "net:depth=3 has options of its own": {"backbones": [planned("net:depth=3")]},
    "partial copy of corpus": {"corpus": replace(CORPUS, partial=True)},
    "transductive: a prediction depends on other test clips": {"transductive": True},
    "dataset digest eeeeeeeeeeee is not the registered dddddddddddd": {
        "corpus": replace(CORPUS, digest="e" * 64)
    },
    "fold digest eeeeeeeeeeee is not the registered cccccccccccc": {
        "cut": replace(CUT, digest="e" * 64)
    },
}


@pytest.mark.parametrize("reason", UNOFFICIAL)
def test_what_the_registry_does_not_say_is_unofficial_with_the_reason(reason: str):
    assert judged(**UNOFFICIAL[reason]) == Standing("unofficial", (reason,))


def test_copies_on_both_sides_of_a_fold_make_a_row_unofficial_unless_the_corpus_is_registered():
    why = "12 test clips have byte-identical copies in their training part"
    assert judged(leaks=[why]) == judged()  # the digest of the registry fixes its copies
    unknown = judged(leaks=[why], corpus=replace(CORPUS, digest="e" * 64))
    assert (unknown.level, why in unknown.reasons) == ("unofficial", True)


PROVISIONAL: dict[str, dict[str, Any]] = {
    "weights of net are not pinned by the registry": {"backbones": [planned(pinned=False)]},
    "1 replicate; an official row carries 5": {"seeds": 1},
    "4 replicates; an official row carries 5": {"seeds": 4},
}
NO_DIGEST = "dataset or fold digest of corpus is not in the registry"


@pytest.mark.parametrize("reason", PROVISIONAL)
def test_what_nobody_could_record_yet_is_provisional_with_the_reason(reason: str):
    assert judged(**PROVISIONAL[reason]) == Standing("provisional", (reason,))


LACKS: list[dict[str, Any]] = [{"digest": None}, {"folds": {}}, {"folds": {"random": "c" * 64}}]
UNPINNED = [None, *(PIN.model_copy(update=change) for change in LACKS)]
CASES = ["no pin", "no dataset digest", "no folds", "folds of another kind"]


@pytest.mark.parametrize("pin", UNPINNED, ids=CASES)
@pytest.mark.parametrize(
    "lock",
    [{}, {"folds": {"corpus/speaker": ["d" * 64, "c" * 64]}}],
    ids=["first use", "seen before"],
)
def test_a_digest_that_the_registry_lacks_is_provisional(
    pin: DatasetPin | None, lock: dict[str, Any]
):
    assert judged(rules=registry(pin), lock=lock) == Standing("provisional", (NO_DIGEST,))


@pytest.mark.parametrize("pin", UNPINNED, ids=CASES)
@pytest.mark.parametrize(
    "seen", [["e" * 64, "c" * 64], ["d" * 64, "e" * 64]], ids=["other clips", "other folds"]
)
def test_a_corpus_or_cut_other_than_first_seen_here_is_unofficial(
    pin: DatasetPin | None, seen: list[str]
):
    standing = judged(rules=registry(pin), lock={"folds": {"corpus/speaker": seen}})
    assert standing == Standing(
        "unofficial", (f"corpus/speaker was first seen here with another digest ({seen[0][:12]})",)
    )


def test_the_registry_outweighs_what_was_first_seen_here():
    assert judged(lock={"folds": {"corpus/speaker": ["e" * 64, "e" * 64]}}).level == "official"


PAIR = replace(
    CORPUS,
    dataset=replace(DATASET, name="a+b"),
    sides=(CORPUS, replace(CORPUS, dataset=replace(DATASET, name="other"))),
)


def test_a_pair_is_provisional_until_its_own_digests_are_registered():
    lacking = "dataset or fold digest of a+b is not in the registry"
    assert judged(corpus=PAIR, cut=replace(CUT, kind="cross")) == Standing(
        "provisional", (lacking,)
    )
    pinned = replace(
        PACKAGED, datasets={"a+b": PIN.model_copy(update={"folds": {"cross": "c" * 64}})}
    )
    assert judged(corpus=PAIR, cut=replace(CUT, kind="cross"), rules=pinned).level == "official"


@pytest.mark.parametrize(("place", "name"), [(0, "corpus"), (1, "other")])
def test_a_pair_with_a_partial_copy_on_either_side_is_unofficial_and_says_which(
    place: int, name: str
):
    sides = list(PAIR.sides)
    sides[place] = replace(sides[place], partial=True)
    assert judged(corpus=replace(PAIR, sides=tuple(sides), partial=True)) == Standing(
        "unofficial", (f"partial copy of {name}",)
    )


def test_a_pair_with_a_copy_that_is_not_the_registered_one_is_unofficial():
    sides = (replace(CORPUS, digest="e" * 64), PAIR.sides[1])
    reason = "dataset digest eeeeeeeeeeee is not the registered dddddddddddd"
    assert judged(corpus=replace(PAIR, sides=sides)) == Standing("unofficial", (reason,))


def test_every_reason_against_a_row_is_said_once_and_no_pending_one():
    standing = judged(
        transductive=True,
        seeds=1,
        overridden=["dtype float16", "dtype float16"],
        backbones=[planned("net:untrained")] * 2,
    )
    assert standing == Standing(
        "unofficial",
        (
            "overridden: dtype float16",
            "net:untrained is untrained",
            "transductive: a prediction depends on other test clips",
        ),
    )


def test_all_that_is_pending_is_said():
    standing = judged(seeds=1, backbones=[planned(pinned=False)], rules=registry(None))
    assert standing == Standing(
        "provisional",
        (
            "weights of net are not pinned by the registry",
            NO_DIGEST,
            "1 replicate; an official row carries 5",
        ),
    )


def test_options_that_the_entry_itself_names_are_official():
    assert (
        judged(
            entry=replace(ENTRY, backbones=("net:depth=3",)), backbones=[planned("net:depth=3")]
        ).level
        == "official"
    )


def test_a_protocol_that_the_registry_lacks_is_a_users_mistake():
    with pytest.raises(UsageError, match="no protocol named 'nver-9'"):
        judged(protocol="nver-9")


@pytest.mark.parametrize(
    ("corpora", "text", "heard"),
    [
        (("VocalSound (all)", "FreeSound"), "net", ["net"]),
        (("Vocal-Sound",), "net", ["net"]),
        (("VocalSound-2",), "net", []),
        (("VocalSound",), "net:untrained", []),
        (("VocalSound",), "net:weights=mine.pth", []),
        ((), "net", []),
    ],
)
def test_weights_that_were_trained_on_the_corpus_itself_are_named(
    corpora: tuple[str, ...], text: str, heard: list[str]
) -> None:
    part = replace(NET, pretrained_on=corpora)
    dataset = replace(DATASET, name="vocalsound-6", corpus="vocalsound")
    assert heard_in_pretraining([planned(text, part=part)], dataset) == heard


@pytest.mark.parametrize(
    ("corpora", "text", "named"),
    [
        (("AudioSet",), "net", True),
        (("AudioSet (vocalization)", "VocalSound"), "net", True),
        (("AudioSet",), "net:untrained", False),
        (("LibriSpeech (960 h)",), "net", False),
    ],
)
def test_weights_that_may_have_been_trained_on_the_corpus_are_named_with_the_reason(
    corpora: tuple[str, ...], text: str, named: bool
) -> None:
    part = replace(NET, pretrained_on=corpora)
    dataset = replace(DATASET, name="asvp-esd-12", corpus="asvp-esd")
    found = heard_in_pretraining([planned(text, part=part)], dataset)
    assert [f.startswith("net (possibly: ") and "YouTube" in f for f in found] == [True] * named
    jnv = replace(DATASET, name="jnv", corpus="jnv")
    assert heard_in_pretraining([planned(text, part=part)], jnv) == []
