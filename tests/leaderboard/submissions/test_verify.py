"""Every field of a submission is computed again: a change is found, alone or together with its
digests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.submissions import Desk, content, installed, put, why

UNCHECKED = (
    "created",
    "timings",
    "machine",
    "result_digest",
    "schema_version",
    "counts.padded",
    "counts.forward_passes",
    "counts.halvings",  # of audio that is not submitted
    "provenance.parameters",
    "provenance.embedding_digests",
    "per_fold.curves",  # only a rerun finds these
    "names",
)


ONLY_WITH_A_COPY = (
    "counts.left_out",
    "counts.misfits",
    "folds.speakers_seen",
    "folds.notes",
    "bootstrap",
)


def leaves(thing: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of values in a result: of a list the first, of a table of names all."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from leaves(value, (*path, key))
    elif isinstance(thing, list) and thing:
        yield from leaves(thing[0], (*path, 0))
    else:
        yield path


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value + 0.01
    if isinstance(value, str):
        return (
            ("1" if value.startswith("0") else "0") + value[1:] if len(value) > 15 else f"{value}x"
        )
    return 0.5 if value is None else ["x"] if isinstance(value, list) else {"x": "y"}


def change(result: Any, path: tuple[Any, ...]) -> None:
    for step in path[:-1]:
        result = result[step]
    result[path[-1]] = other(result[path[-1]])


def test_a_result_as_it_was_made_is_self_consistent(desk: Desk) -> None:
    verdict = desk.verify(desk.submit())
    assert (verdict.verdict, verdict.reasons, verdict.notes) == ("self-consistent", (), ())


def test_an_official_row_is_official_here(desk: Desk) -> None:
    assert content(desk.submit())["standing"] == "official"


@pytest.mark.parametrize("copy", [True, False], ids=["with a copy of the corpus", "without"])
def test_every_field_changed_with_its_digest_is_caught(desk: Desk, copy: bool) -> None:
    """Each leaf of the result in turn, resealed; one test because making the submission costs more
    than checking it.
    """
    folder = desk.submit()
    if not copy:
        desk.without_corpora()
    whole = content(folder)
    missed = []
    for path in leaves(whole):
        place = ".".join(str(step) for step in path if not isinstance(step, int))
        if any(word in place for word in (*UNCHECKED, *(() if copy else ONLY_WITH_A_COPY))):
            continue
        changed = content(folder)
        change(changed, path)
        try:
            put(folder, changed)
        except ValueError:  # not a result any more
            continue
        finally:
            verdict = desk.verify(folder)
        if verdict.verdict != "rejected":
            missed.append(f"{place}: {verdict}")
        put(folder, whole)
    assert not missed, missed
    assert desk.verify(folder).verdict == "self-consistent"


def test_a_field_changed_alone_breaks_the_digest(desk: Desk) -> None:
    folder = desk.submit()
    changed = content(folder)
    changed["counts"]["padded"] = {"bee": 3}
    assert "result_digest is not that of its content" in why(
        desk, put(folder, changed, sealed=False)
    )


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "uar", "weighted_f1"])
@pytest.mark.parametrize("end", [0, 1])
def test_a_bootstrap_interval_is_checked_to_the_digit_with_a_copy_and_roughly_without(
    desk: Desk, name: str, end: int
) -> None:
    folder = desk.submit()
    changed = content(folder)
    changed["scores"][name]["bootstrap"][end] += 1e-6
    assert f"scores.{name}.bootstrap: [" in why(desk, put(folder, changed))
    desk.without_corpora()
    assert desk.verify(folder).verdict == "self-consistent"
    changed["scores"][name]["bootstrap"][end] += -0.2 if end else 0.2
    assert f"scores.{name}.bootstrap: [" in why(desk, put(folder, changed))


@pytest.mark.parametrize("kind", ["speaker", "random", "leave-one-group-out", "holdout=spk3"])
@pytest.mark.parametrize("dataset", ["toys", "secret", "few"])
def test_every_kind_of_folds_and_of_sharing_verifies(desk: Desk, kind: str, dataset: str) -> None:
    if dataset == "few" and kind in ("speaker", "holdout=spk3"):
        kind = "holdout=spk1"
    folder = desk.submit(folds=(kind,), datasets=(dataset,))
    assert desk.verify(folder).verdict == "self-consistent"
    desk.without_corpora()
    verdict = desk.verify(folder)
    if dataset == "secret":
        assert verdict.verdict == "incomplete"
        assert (
            "its labels are not published, and corpus secret is not on this machine"
            in verdict.reasons[0]
        )
    else:
        assert (verdict.verdict, verdict.reasons) == ("self-consistent", ())
        assert "labels and folds were not checked against the corpus" in verdict.notes[0]


@pytest.mark.parametrize(
    "asked",
    [
        {"selection": "test"},
        {"selection": "last"},
        {"losses": ("other",)},
        {"folds": ("random",)},
        {"dtype": "bfloat16"},
        {"skip_bad": True},
        {"untrained": True},
        {"backbones": ("ant", "bee")},
        {"seeds": 2},
        {"datasets": ("few",)},
        {"datasets": ("secret",)},
        {"fusions": ("head:width=8",)},
        {"backbones": ("bee:weights=own.pth",)},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_a_row_that_is_not_official_cannot_say_it_is(
    desk: Desk, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.root)
    (desk.root / "own.pth").write_text("mine")
    folder = desk.submit(**asked)
    assert desk.verify(folder).verdict == "self-consistent"
    changed = content(folder)
    assert changed["standing"] != "official"
    changed |= {"standing": "official", "standing_reasons": []}
    assert "the row says official, and it is" in why(desk, put(folder, changed))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("protocol.epochs", 99, "protocol nver-1: 'epochs' differ from the registry's"),
        ("protocol.seed", 2, "protocol nver-1: 'seed' differ from the registry's"),
        ("protocol.seed", -1, "protocol seed"),
        ("protocol.extra", 1, "'extra' differ from the registry's"),
        (
            "backbones.0.weights",
            "f" * 64,
            "weights of bee have digest 'ffffffffffff', the registry pins",
        ),
        ("backbones.0.options", {"step": 2}, "backbone 'bee': its identity says"),
        ("fusion.options", {"width": 9}, "fusion: its identity says"),
        ("folds.digest", "f" * 64, "fold digest"),
        ("dataset.digest", "f" * 64, "dataset digest"),
        ("dataset.left_out", "f" * 64, "known defects"),
        (
            "plugins",
            {"others": "1.0"},
            "its parts are said to come from 'others'; here they come from toy-parts",
        ),
        ("dtype", "float16", "the row says official, and it is unofficial"),
        ("seeds", 4, "replicates: it says '3', and elsewhere '4'"),
        ("seeds", "3", "provenance.identity: 'seeds'"),
    ],
)
def test_an_identity_changed_under_its_own_id_is_caught(
    desk: Desk, place: str, value: Any, said: str
) -> None:
    """A forger changes what a row was made with, everywhere, and gives it the id and the digest
    that follow.
    """
    folder = desk.submit()
    changed = content(folder)
    thing = changed["provenance"]["identity"]
    *steps, last = place.split(".")
    for step in steps:
        thing = thing[int(step)] if step.isdigit() else thing[step]
    thing[last] = value
    p = changed["provenance"]
    p["weights_digests"]["bee"] = p["identity"]["backbones"][0]["weights"]
    p["plugins"] = p["identity"]["plugins"]
    assert said in why(desk, put(folder, changed, identity=True))


@pytest.mark.parametrize(
    "asked",
    [
        {"datasets": ("toys:test=few",)},
        {"datasets": ("few:test=toys",)},
        {"datasets": ("toys:exclude=mid",)},
        {"backbones": ("ant", "ant")},
        {"backbones": ("ant", "ant:step=2")},
        {"backbones": ("bee:project=2",)},
    ],
    ids=lambda asked: str(*asked.values()),
)
def test_unusual_rows_verify_too(desk: Desk, asked: dict[str, Any]) -> None:
    folder = desk.submit(**asked)
    assert str(desk.verify(folder)) == f"{folder.name}: self-consistent"


def test_a_protocol_that_is_not_registered_leaves_a_verdict_open(desk: Desk) -> None:
    rules = dict(desk.rules.protocols)
    object.__setattr__(
        desk.rules,
        "protocols",
        rules | {"mine": rules["nver-1"].model_copy(update={"epochs": 3, "official": False})},
    )
    folder = desk.submit(protocol="mine")
    assert desk.verify(folder).verdict == "self-consistent"
    object.__setattr__(desk.rules, "protocols", rules)
    verdict = desk.verify(folder)
    assert verdict.verdict == "incomplete"
    assert "protocol 'mine' is not in the registry" in verdict.reasons[0]


def test_another_version_of_a_plugin_is_noted(desk: Desk) -> None:
    folder = desk.submit()
    desk.catalog = installed("2.0")
    verdict = desk.verify(folder)
    assert (verdict.verdict, verdict.notes) == (
        "self-consistent",
        ("made with toy-parts '1.0', here is 2.0",),
    )


def test_a_part_that_is_not_installed_leaves_a_verdict_open(desk: Desk) -> None:
    from nverbench.plugin import discovery

    folder = desk.submit()
    desk.catalog = discovery.discover(disabled=["nverbench"])
    verdict = desk.verify(folder)
    assert verdict.verdict == "incomplete"
    assert (
        "backbone 'bee', fusion 'head', loss 'plain', dataset 'toys' not installed here"
        in verdict.reasons[0]
    )


def test_another_copy_of_the_corpus_says_how_many_clips_it_lacks(desk: Desk) -> None:
    folder = desk.submit()
    (desk.root / "toys" / "spk0" / "low-0.wav").write_text("another recording")
    assert "48 of 48 clips are not in this copy of toys" in why(desk, folder)


def test_weights_first_seen_here_are_held_against_others(desk: Desk) -> None:
    from nverbench._io.state import write_state

    object.__setattr__(desk.rules, "weights", {})
    folder = desk.submit()
    assert desk.verify(folder).verdict == "self-consistent"
    write_state("lock", "weights", "bee", "f" * 64)
    assert "this machine first saw ffffffffffff" in why(desk, folder)
