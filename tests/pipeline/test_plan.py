"""Planning: which entries a selection means, what cannot run and why. Nothing is computed here."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest

from nverbench import Recipe, UsageError, registry
from nverbench.errors import ArtifactError, DatasetError, FoldError
from nverbench.pipeline.job import Plan, Skip
from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection
from nverbench.plugin import discovery


def pairs(planned: Plan) -> list[tuple[str, ...]]:
    return [job.entry.backbones for job in planned.jobs]


# --- the README's command, on the real registry


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NVERBENCH_HOME", str(tmp_path_factory.mktemp("readme")))
        return plan(
            registry.load(),
            discovery.discover(),
            Selection(backbones=("audio-mamba-tiny",), fusions=("reno",)),
        )


def test_the_readmes_command_runs_four_demo_jobs_and_skips_twelve_entries(readme: Plan) -> None:
    assert (len(readme.jobs), len(readme.skips)) == (4, 12)
    assert all(
        job.entry.demo and job.control and job.standing.level == "unofficial" for job in readme.jobs
    )
    partners = [[str(b) for b in job.backbones] for job in readme.jobs]
    wanted = [
        ["audio-mamba-tiny:untrained", f"{n}:untrained"]
        for n in ("wavlm-base", "wav2vec2-base", "unispeech-sat-base", "hubert-base")
    ]
    assert partners == wanted


def test_the_readmes_command_names_each_missing_thing_once_with_how_to_get_it(readme: Plan) -> None:
    missing = {m.what: str(m) for m in readme.missing}
    weights = {
        f"weights {n}"
        for n in (
            "audio-mamba-tiny",
            "wavlm-base",
            "wav2vec2-base",
            "unispeech-sat-base",
            "hubert-base",
        )
    }
    assert set(missing) == weights | {"corpus asvp-esd", "corpus jnv", "corpus vivae"}
    assert all(
        f"nverbench data get {name}" in missing[f"corpus {name}"]
        for name in ("asvp-esd", "jnv", "vivae")
    )
    assert len(missing) == len(readme.missing)
    assert "nverbench weights add audio-mamba-tiny PATH" in missing["weights audio-mamba-tiny"]
    assert "hf:microsoft/wavlm-base, 378.0 MB, licence" in missing["weights wavlm-base"]


# --- which entries a selection means


@pytest.mark.parametrize("given", [("ant", "bee"), ("bee", "ant")])
def test_two_backbones_mean_exactly_that_pair_in_its_registered_order(
    bench: Any, given: tuple[str, ...]
) -> None:
    assert pairs(bench.plan(backbones=given)) == [
        ("bee", "ant"),
        ("bee", "ant"),
    ]  # the entry and its ablation
    assert pairs(bench.plan(backbones=given, fusions=("pair",))) == [("bee", "ant")]


@pytest.mark.parametrize("given", [("ant", "bee"), ("bee", "ant")])
def test_an_unregistered_combination_of_a_registered_pair_keeps_its_order(
    bench: Any, given: tuple[str, ...]
) -> None:
    job = bench.only(backbones=given, fusions=("pair:width=8",))
    assert job.entry.backbones == ("bee", "ant")


def test_one_backbone_means_every_entry_that_has_it(bench: Any) -> None:
    planned = bench.plan(backbones=("ant",))
    jobs = {(j.entry.grid, j.entry.backbones) for j in planned.jobs}
    assert jobs == {("heads", ("ant",)), ("pairs", ("bee", "ant")), ("ablation", ("bee", "ant"))}
    assert {s.entry.backbones for s in planned.skips} == {("ant", "cow"), ("ant",)}


def test_without_filters_every_registered_entry_is_meant(bench: Any) -> None:
    planned = bench.plan()
    assert len(planned.jobs) + len(planned.skips) == 4 + 3 + 1  # the demo grid stays out


def test_a_loss_selects_the_ablation_and_what_has_it_by_default(bench: Any) -> None:
    planned = bench.plan(losses=("plain",))
    assert {(j.entry.grid, str(j.loss_reference)) for j in planned.jobs} == {
        ("heads", "plain"),
        ("ablation", "plain"),
    }


def test_cross_entropy_selects_the_ablation_entries_of_the_real_registry() -> None:
    planned = plan(
        registry.load(),
        discovery.discover(),
        Selection(fusions=("reno",), losses=("cross-entropy",)),
    )
    assert {s.entry.grid for s in planned.skips} == {"reno-without-loss"}
    assert len(planned.skips) == 54  # 18 pairs x 3 corpora


def test_a_combination_named_in_full_runs_unofficially(bench: Any) -> None:
    job = bench.only(fusions=("head:width=8",))
    assert (job.standing.level, job.entry.registered) == ("unofficial", False)
    assert "not a registered entry" in job.standing.reasons


def test_a_combination_that_is_neither_registered_nor_in_full_is_refused(bench: Any) -> None:
    with pytest.raises(
        UsageError,
        match="no registered entry matches; name --backbone, --fusion and --dataset in full",
    ):
        bench.plan(backbones=("ant",), datasets=("few",))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"backbones": ("atn",)}, "no backbone named 'atn'; did you mean ant"),
        ({"fusions": ("pear",)}, "no fusion named 'pear'; did you mean pair"),
        ({"losses": ("plane",)}, "no loss named 'plane'; did you mean plain"),
        ({"datasets": ("toy",)}, "no dataset named 'toy'; did you mean toys"),
        ({"protocol": "nver-2"}, "no protocol named 'nver-2' in the registry; did you mean nver-1"),
        ({"fusions": ("head:wdith=8",)}, "fusion head has no option 'wdith'; did you mean width"),
        ({"fusions": ("head:width=wide",)}, "option width: expected a whole number, got 'wide'"),
        (
            {"backbones": ("ant", "bee", "cow"), "fusions": ("pair",), "datasets": ("toys",)},
            "fusion pair takes 2 backbones, 3 given",
        ),
        (
            {"backbones": ("ant",), "fusions": ("pair",), "datasets": ("few",)},
            r"pair takes 2 backbones, 1 given \(ant\); add a --backbone",
        ),
        (
            {"backbones": ("ant", "bee"), "fusions": ("head",), "datasets": ("toys",)},
            "head takes 1 backbone, 2 given .*name fewer",
        ),
        ({"backbones": ("ant", "bee"), "fusions": ("head",)}, "head takes 1 backbone, 2 given"),
    ],
)
def test_a_name_or_a_number_that_does_not_fit_is_a_usage_error(
    bench: Any, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        bench.plan(**asked)


# --- skips and demos


def test_a_loss_that_needs_views_skips_a_fusion_that_gives_none(bench: Any) -> None:
    (skip,) = [
        s for s in bench.plan(fusions=("seer",), backbones=("ant",)).skips if not s.entry.demo
    ]
    assert skip.reasons == (
        "loss views needs aligned views, and fusion seer gives none; use cross-entropy",
    )


def test_a_fusion_over_time_names_the_option_that_helps(bench: Any) -> None:
    bench.swap(
        "backbones",
        "ant",
        time_local=lambda options: options["layer"] == 3,
        time_local_hint="use layer=3",
    )
    (skip,) = bench.plan(backbones=("ant",), fusions=("timed",), datasets=("toys",)).skips
    assert (
        skip.reasons[0]
        == "fusion timed uses time, and the frames of ant are not local in time; use layer=3"
    )


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(optimizer="sgd"), "optimizer=sgd"),
        (Recipe(select="uar"), "select=uar"),
        (Recipe(unit="frame"), "unit=frame"),
        (Recipe(unit="conversation"), "must want frames"),
    ],
)
def test_a_recipe_that_this_version_cannot_honour_is_skipped_and_never_trained_otherwise(
    bench: Any, recipe: Recipe, words: str
) -> None:
    bench.swap("fusions", "head", recipe=recipe)
    planned = bench.plan(backbones=("ant",), fusions=("head",), datasets=("toys",))
    assert planned.jobs == ()
    assert words in planned.skips[0].reasons[0]


def test_whole_conversations_need_a_corpus_that_has_them(bench: Any) -> None:
    bench.swap("fusions", "timed", recipe=Recipe(unit="conversation"))
    (skip,) = bench.plan(backbones=("bee",), fusions=("timed",), datasets=("toys",)).skips
    assert skip.reasons == (
        "fusion timed trains on whole conversations, and dataset toys has single clips",
    )


def test_a_head_takes_the_scored_turns_of_conversations_one_by_one(bench: Any) -> None:
    talk(bench)
    (job,) = bench.plan(backbones=("ant",), fusions=("head",), datasets=("toys",)).jobs
    assert [len(job.corpus.heard), len(job.corpus.clips)] == [
        len(job.corpus.clips) + 1,
        len(job.corpus.clips),
    ]


def test_folds_that_cut_conversations_apart_are_refused_by_name(bench: Any) -> None:
    talk(bench)
    bench.swap("fusions", "timed", recipe=Recipe(unit="conversation"))
    with pytest.raises(FoldError, match="random folds cut"):
        bench.plan(backbones=("bee",), fusions=("timed",), datasets=("toys",), folds=("random",))
    assert len(bench.plan(backbones=("bee",), fusions=("timed",), datasets=("toys",)).jobs) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"shuffle": "intra"}, "train shuffle=intra"),
        ({"storage": "float16"}, "frames stored as float16"),
    ],
)
def test_a_shuffle_or_half_the_disk_is_a_row_of_its_own_and_unofficial(
    bench: Any, asked: dict[str, str], said: str
) -> None:
    talk(bench)
    bench.swap("fusions", "timed", recipe=Recipe(unit="conversation"))
    plain, other = (
        bench.plan(backbones=("bee",), fusions=("timed",), datasets=("toys",), **more).jobs[0]
        for more in ({}, asked)
    )
    assert plain.id != other.id
    assert f"overridden: {said}" in other.standing.reasons


def test_turns_can_be_shuffled_only_where_they_are_heard_together(bench: Any) -> None:
    (skip,) = bench.plan(
        backbones=("ant",), fusions=("head",), datasets=("toys",), shuffle="intra"
    ).skips
    assert skip.reasons == (
        "fusion head trains on single clips: there is no order of turns to shuffle",
    )


def talk(bench: Any) -> None:
    """Make conversations of the toys, one per group, and one more turn that is heard only."""
    load = next(part.load for part in bench.parts["datasets"] if part.name == "toys")

    def turns(root: Any, *, take: int = 0) -> Any:
        clips = sorted(load(root), key=lambda c: c.id)
        for number, clip in enumerate(clips):
            yield replace(clip, conversation=f"talk {clip.unit}", turn=number)
        yield replace(
            clips[0],
            id="unscored",
            label=None,
            conversation=f"talk {clips[0].unit}",
            turn=len(clips),
        )

    bench.swap(
        "datasets", "toys", task="conversation", load=turns, folds=("leave-one-group-out", "random")
    )


def test_skips_share_what_is_missing(bench: Any) -> None:
    planned = bench.plan(backbones=("cow",))
    assert [len(s.missing) for s in planned.skips] == [1, 1]
    assert [str(m) for m in planned.missing] == [
        "weights cow is missing: source https://example.org/cow, 5.0 MB, licence MIT; nverbench"
        " weights get cow (or run with --download)"
    ]


def test_demo_entries_run_only_where_no_real_entry_can(bench: Any) -> None:
    assert {j.entry.grid for j in bench.plan(backbones=("ant",), fusions=("head",)).jobs} == {
        "heads"
    }
    shutil.rmtree(bench.root / "toys")
    bench.swap("datasets", "toys", corpus="toys")
    planned = bench.plan(backbones=("ant",), fusions=("head",))
    assert [j.entry.grid for j in planned.jobs] == ["show"]
    assert [s.missing[0].what for s in planned.skips] == ["corpus toys"]


def test_untrained_makes_a_control_of_backbones_that_have_weights(bench: Any) -> None:
    planned = bench.plan(backbones=("ant", "cow"), untrained=True)
    (job,) = planned.jobs
    assert [str(b) for b in job.backbones] == ["ant", "cow:untrained"]
    assert job.control
    assert "cow:untrained is untrained" in job.standing.reasons


def test_a_checkpoint_that_is_not_there_is_said(bench: Any) -> None:
    with pytest.raises(ArtifactError, match=r"backbone cow: weights=.*none.pth does not exist"):
        bench.plan(
            backbones=(f"cow:weights={bench.root}/none.pth",), fusions=("head",), datasets=("toys",)
        )


# --- folds


def test_too_few_speakers_for_the_default_are_said_and_cut_otherwise(bench: Any) -> None:
    planned = bench.plan(backbones=("ant",), fusions=("head",), datasets=("few",))
    assert planned.jobs[0].cut.kind == "leave-one-group-out"
    assert "few: fewer than 5 speakers, so folds are leave-one-group-out" in planned.notes


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        (
            "speaker",
            "cannot cut 3 groups into 5 speaker-disjoint folds; leave-one-group-out and random can",
        ),
        ("official", "clip s0/x0 has no official split; speaker and random can cut this dataset"),
        ("holdout=s9", "holdout=s9: no such group; the groups are s0, s1, s2"),
    ],
)
def test_a_dataset_that_cannot_be_cut_so_says_what_can(bench: Any, folds: str, words: str) -> None:
    with pytest.raises(FoldError, match=words):
        bench.plan(backbones=("ant",), fusions=("head",), datasets=("few",), folds=(folds,))


def test_a_registered_entry_that_cannot_be_cut_is_a_skip(bench: Any) -> None:
    bench.swap("datasets", "toys", load=bench.write("fewer", 3))
    reasons = {
        s.reasons
        for s in bench.plan(backbones=("ant",), fusions=("head",), folds=("speaker",)).skips
        if isinstance(s, Skip)
    }
    assert (
        "cannot cut 3 groups into 5 speaker-disjoint folds; leave-one-group-out and random can",
    ) in reasons


def test_two_kinds_of_folds_are_two_jobs(bench: Any) -> None:
    planned = bench.plan(
        backbones=("ant",), fusions=("head",), datasets=("toys",), folds=("speaker", "random")
    )
    assert [j.cut.kind for j in planned.jobs] == ["speaker", "random"]
    assert len({j.id for j in planned.jobs}) == 2


# --- bugs


def test_the_same_backbone_twice_is_not_a_pair_with_another(bench: Any) -> None:
    planned = bench.plan(backbones=("ant", "ant"), fusions=("pair",), datasets=("toys",))
    assert {
        e.backbones for e in [*(j.entry for j in planned.jobs), *(s.entry for s in planned.skips)]
    } == {("ant", "ant")}


def test_every_loss_named_in_full_runs(bench: Any) -> None:
    planned = bench.plan(
        backbones=("ant",), fusions=("head",), datasets=("toys",), losses=("plain", "plain:width=8")
    )
    assert sorted(str(j.loss_reference) for j in planned.jobs) == ["plain", "plain:width=8"]


def test_a_default_that_is_written_out_is_the_registered_entry(bench: Any) -> None:
    assert bench.only(fusions=("head:width=4",)).entry.registered


def test_a_registered_entry_whose_corpus_is_broken_is_a_skip(bench: Any) -> None:
    def damaged(root: Any, *, take: int = 0) -> Any:
        raise DatasetError("toys: the folder is not the corpus")

    bench.swap("datasets", "toys", load=damaged)
    assert "the folder is not the corpus" in str(bench.plan().skips)
