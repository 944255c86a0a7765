"""What counts: the packaged registry holds what it promises, overlays only add, and every slip is
one line that names file and place.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nverbench.errors import RegistryError, UsageError
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve, split
from nverbench.registry import PACKAGED, Registry, load

RENO_GRIDS = ("reno-table-1", "reno-table-2", "reno-without-loss")
PROTOCOL = """
  {name}: {{summary: s, seed: 1, k: 5, scaling: z-score, selection: inner, inner_share: 0.1, inner_most: 0.2,
    inner_per_class: 5, patience: 5, optimizer: adam, lr: 0.001, batch: 32, epochs: 20, replicates: 5}}
"""
GRID = "name: mine, backbones: [[a]], fusions: [linear], datasets: [d]"


@pytest.fixture(scope="module")
def packaged() -> Registry:
    return load()


def overlay(tmp_path: Path, text: str) -> Path:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "mine.yaml"


def refused(tmp_path: Path, text: str) -> str:
    """The sentence that refuses an overlay: one line that names the file."""
    with pytest.raises(RegistryError) as error:
        load([overlay(tmp_path, text)])
    sentence = str(error.value)
    assert "\n" not in sentence
    assert "mine.yaml" in sentence or "is given twice" in sentence or "names protocol" in sentence
    return sentence


# packaged


@pytest.mark.parametrize(
    ("grid", "number"),
    [
        ("reno-table-1", 42),
        ("reno-table-2", 108),
        ("reno-without-loss", 54),
        ("reno-without-attention", 54),
        ("reno-other-losses", 48),
        ("plain-rivals", 216),
        ("same-twice", 63),
        ("same-twice-reno", 21),
        ("parrot-table-1", 6),
        ("parrot-table-2", 18),
        ("parrot-branches", 18),
        ("mata-on-reno-pairs", 54),
        ("emogator-fusions", 11),
        ("emogator-untrained", 10),
        ("emogator-untrained-reno", 1),
        ("reno-demo", 18),
        ("one-fcn-of-renos-size", 54),
        ("one-fcn-of-renos-size-single", 21),
        ("emogator-one-fcn-of-renos-size", 2),
        ("audio-mamba-read-outs", 5 * 2 * 4),
        ("attention-in-segments", 6 * 2 * 4),
        ("weighted-layers", 12 * 2 * 4),
        ("erc-session-5-shuffles", 3),
        ("erc-sessions-shuffles", 3),
        ("cross-corpus", 9 * 2 * 9),
    ],
)
def test_the_packaged_registry_holds_every_entry_of_the_paper(
    packaged: Registry, grid: str, number: int
):
    assert Counter(e.grid for e in packaged.entries)[grid] == number


@pytest.mark.parametrize("name", ["nver-1", "as-published-stop", "as-published-last"])
def test_the_packaged_registry_holds_the_protocol(packaged: Registry, name: str):
    protocol = packaged.protocol(name)
    assert (
        protocol.k,
        protocol.seed,
        protocol.batch,
        protocol.epochs,
        protocol.lr,
        protocol.replicates,
    ) == (5, 20250602, 32, 20, 1e-3, 5)


@pytest.mark.parametrize(
    ("name", "scaling", "selection", "folds"),
    [
        ("nver-1", "z-score", "inner", None),
        ("as-published-stop", "none", "test", "random"),
        ("as-published-last", "none", "last", "random"),
    ],
)
def test_protocols_differ_in_what_papers_leave_open(
    packaged: Registry, name: str, scaling: str, selection: str, folds: str | None
):
    protocol = packaged.protocol(name)
    assert (protocol.scaling, protocol.selection, protocol.folds) == (scaling, selection, folds)


def test_no_entry_of_the_packaged_registry_is_given_twice(packaged: Registry):
    assert len(set(packaged.entries)) == len(packaged.entries)


def test_only_demo_entries_are_untrained(packaged: Registry):
    assert {(e.demo, e.untrained) for e in packaged.entries} == {(True, True), (False, False)}


def test_every_reno_entry_is_held_to_nver_1(packaged: Registry):
    assert {e.protocol for e in packaged.entries if e.grid in RENO_GRIDS} == {"nver-1"}


def test_every_backbone_and_dataset_of_an_entry_is_pinned(packaged: Registry):
    weightless = {
        name for name, part in discovery.discover().backbones.parts.items() if part.weights is None
    }
    assert {split(b)[0] for e in packaged.entries for b in e.backbones} <= set(
        packaged.weights
    ) | weightless
    parts = discovery.discover().datasets.parts
    references = [
        resolve(parts[split(e.dataset)[0]], e.dataset)
        for e in packaged.entries
        if split(e.dataset)[0] in parts
    ]
    assert {name for r in references for name in (r.name, r.test) if name} <= set(packaged.datasets)
    assert {e.dataset for e in packaged.entries} - {str(r) for r in references} <= set(
        packaged.datasets
    )


def test_every_backbone_of_an_entry_is_installed_with_the_options_it_names(packaged: Registry):
    parts = discovery.discover().backbones
    texts = {b for e in packaged.entries for b in e.backbones}
    assert {b: str(resolve(parts.parts[split(b)[0]], b)) for b in texts} == {b: b for b in texts}


def test_every_entry_of_a_grid_is_registered(packaged: Registry):
    assert all(e.registered for e in packaged.entries)


def test_an_unknown_protocol_is_refused_with_the_nearest(packaged: Registry):
    with pytest.raises(
        UsageError, match="no protocol named 'nver1' in the registry; did you mean nver-1"
    ):
        packaged.protocol("nver1")


def test_a_pin_becomes_a_source_with_the_same_facts(packaged: Registry):
    pin = packaged.weights["byol-s"]
    source = pin.as_source()
    assert (source.address, source.sha256, source.size, source.licence) == (
        pin.source,
        pin.sha256,
        pin.size,
        pin.licence,
    )


# pair order


@pytest.mark.parametrize(
    ("given_names", "expected"),
    [
        (("wavlm-base", "audio-mamba-tiny"), ("audio-mamba-tiny", "wavlm-base")),
        (("audio-mamba-tiny", "wavlm-base"), ("audio-mamba-tiny", "wavlm-base")),
        (
            ("wavlm-base:untrained", "hubert-base:untrained"),
            ("hubert-base:untrained", "wavlm-base:untrained"),
        ),
        (("wavlm-base", "byol-s"), ("wavlm-base", "byol-s")),
        (("byol-s", "wavlm-base"), ("byol-s", "wavlm-base")),
        (("wavlm-base", "wavlm-base"), ("wavlm-base", "wavlm-base")),
        (("wavlm-base",), ("wavlm-base",)),
        ((), ()),
    ],
)
def test_a_pair_takes_its_registered_order_and_others_stay_as_given(
    packaged: Registry, given_names: tuple[str, ...], expected: tuple[str, ...]
):
    assert packaged.pair_order(given_names) == expected


# overlays


def test_an_overlay_adds_protocols_pins_and_entries(tmp_path: Path, packaged: Registry):
    text = f"""
protocols: {PROTOCOL.format(name="mine-1")}
pins:
  weights: {{a: {{source: here, licence: MIT}}}}
  datasets: {{d: {{source: here, licence: MIT, digest: {"a" * 64}, folds: {{random: {"b" * 64}}}}}}}
entries:
  - {{{GRID}, losses: [x, y], protocol: mine-1}}
"""
    more = load([overlay(tmp_path, text)])
    assert more.entries[: len(packaged.entries)] == packaged.entries
    assert [
        (e.backbones, e.fusion, e.loss, e.protocol) for e in more.entries[len(packaged.entries) :]
    ] == [(("a",), "linear", "x", "mine-1"), (("a",), "linear", "y", "mine-1")]
    assert (
        set(more.protocols) - set(packaged.protocols),
        set(more.weights) - set(packaged.weights),
    ) == ({"mine-1"}, {"a"})
    assert (set(more.datasets) - set(packaged.datasets), more.overlays) == ({"d"}, ("mine.yaml",))


def test_an_overlay_adds_same_recordings_to_a_registered_dataset_and_to_ones_own(
    tmp_path: Path, packaged: Registry
):
    text = "pins: {datasets: {emogator: {same_recordings: [[a, b]]}, table: {same_recordings: [[c, d]]}}}"
    more = load([overlay(tmp_path, text)])
    assert more.same_recordings("emogator") == [*packaged.same_recordings("emogator"), ["a", "b"]]
    assert more.same_recordings("table") == [["c", "d"]]
    assert more.dataset_source("table") is None
    assert more.dataset_source("emogator") == packaged.dataset_source("emogator")
    assert "at least 2" in refused(tmp_path, text.replace("[a, b]", "[a]"))


def test_every_pinned_dataset_names_its_source_and_licence(packaged: Registry):
    assert [
        n for n, p in packaged.datasets.items() if not {"source", "licence"} <= p.model_fields_set
    ] == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "entries: []", "pins: {}", "{}", "---\n"])
def test_an_overlay_that_adds_nothing_changes_nothing(
    tmp_path: Path, packaged: Registry, text: str
):
    assert load([overlay(tmp_path, text)]).entries == packaged.entries


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f"protocols: {PROTOCOL.format(name='nver-1')}",
            "protocols.nver-1 is already registered; an overlay adds and never changes",
        ),
        (
            "pins: {weights: {wavlm-base: {source: a, licence: b}}}",
            "pins.weights.wavlm-base is already registered",
        ),
        (
            "pins: {datasets: {jnv: {source: a, licence: b}}}",
            "pins.datasets.jnv is already registered",
        ),
        (
            "entries: [{name: reno-table-2, backbones: [[a]], fusions: [linear], datasets: [d]}]",
            "grid 'reno-table-2' is given twice",
        ),
        (f"entries: [{{{GRID}}}, {{{GRID}}}]", "grid 'mine' is given twice"),
        (
            f"entries: [{{{GRID}, protocol: nver1}}]",
            "entries grid mine names protocol 'nver1'; did you mean nver-1",
        ),
    ],
)
def test_an_overlay_cannot_change_what_is_registered(tmp_path: Path, text: str, sentence: str):
    assert sentence in refused(tmp_path, text)


def test_two_overlays_cannot_pin_the_same_name(tmp_path: Path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    for path in (first, second):
        path.write_text("pins: {weights: {a: {source: here, licence: MIT}}}")
    with pytest.raises(RegistryError, match=r"b\.yaml: pins\.weights\.a is already registered"):
        load([first, second])


# slips


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("entry: []", "entry: unknown key; did you mean entries?"),
        ("pins: {weight: {}}", "pins.weight: unknown key; did you mean weights?"),
        (
            "pins: {weights: {a: {source: x, license: y}}}",
            "pins.weights.a.license: unknown key; did you mean licence?",
        ),
        (
            "pins: {datasets: {a: {source: x, licence: y, digets: z}}}",
            "pins.datasets.a.digets: unknown key; did you mean digest?",
        ),
        (
            f"entries: [{{{GRID}, fusion: a}}]",
            "entries.0.fusion: unknown key; did you mean fusions?",
        ),
        (
            f"protocols: {PROTOCOL.format(name='p').replace('epochs', 'epoch')}",
            "protocols.p.epoch: unknown key; did you mean epochs?",
        ),
        (
            "entries: [{backbones: [[a]], fusions: [b], datasets: [c]}]",
            "entries.0.name: field required",
        ),
        (
            "entries: [{name: A B, backbones: [[a]], fusions: [b], datasets: [c]}]",
            "entries.0.name: string should match pattern",
        ),
        (
            "entries: [{name: a, backbones: [], fusions: [b], datasets: [c]}]",
            "entries.0.backbones: list should have at least 1 item",
        ),
        (
            "entries: [{name: a, backbones: [[]], fusions: [b], datasets: [c]}]",
            "entries.0.backbones.0: list should have at least 1 item",
        ),
        (
            "entries: [{name: a, backbones: [a], fusions: [b], datasets: [c]}]",
            "entries.0.backbones.0: input should be a valid list",
        ),
        ("entries: 3", "entries: input should be a valid list, got 3"),
        ("protocols: []", "protocols: input should be a valid dictionary"),
        (
            f"protocols: {PROTOCOL.format(name='p').replace('k: 5', 'k: five')}",
            "protocols.p.k: input should be a valid integer, got 'five'",
        ),
        (
            f"protocols: {PROTOCOL.format(name='p').replace('k: 5', 'k: true')}",
            "protocols.p.k: input should be a valid integer, got True",
        ),
        (
            f"protocols: {PROTOCOL.format(name='p').replace('k: 5', 'k: 1')}",
            "protocols.p.k: input should be greater than or equal to 2",
        ),
        (
            f"protocols: {PROTOCOL.format(name='p').replace('0.1', '1.0')}",
            "protocols.p.inner_share: input should be less than 1",
        ),
        (
            f"protocols: {PROTOCOL.format(name='p').replace('adam', 'sgd')}",
            "protocols.p.optimizer: input should be 'adam', got 'sgd'",
        ),
        (
            "pins: {weights: {a: {source: x, licence: y, sha256: abc}}}",
            "pins.weights.a.sha256: string should match pattern",
        ),
        (
            "pins: {weights: {a: {source: x, licence: y, size: 0}}}",
            "pins.weights.a.size: input should be greater than or equal to 1",
        ),
        ("just a sentence", "the file: input should be a valid dictionary"),
        ("- a\n- b", "the file: input should be a valid dictionary"),
        ("3: 4", "3: keys should be strings"),
        (f"entries: [{{{GRID}, demo: true}}]", "a demo grid must say weights: untrained"),
        (
            f"entries: [{{{GRID}, demo: true, weights: pretrained}}]",
            "a demo grid must say weights: untrained",
        ),
        ("entries: []\nentries: []", "the key 'entries' is given twice"),
        (
            "pins:\n  weights:\n    a: {source: x, licence: y}\n    a: {source: x, licence: y}",
            "the key 'a' is given twice",
        ),
        ("a: [", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("\tentries: []", "not valid YAML"),
        ("!!python/object/apply:os.getcwd []", "not valid YAML"),
        ("? [1]\n: 2", "not valid YAML"),
        ("a: *nobody", "not valid YAML"),
        ("entries: &a [*a]", "entries.0: input should be a valid dictionary"),
    ],
)
def test_a_slip_is_one_line_with_the_file_the_place_and_what_was_expected(
    tmp_path: Path, text: str, sentence: str
):
    assert sentence in refused(tmp_path, text)


def test_a_key_given_twice_is_named_with_its_line(tmp_path: Path):
    assert "line 1" in refused(tmp_path, "entries: []\nentries: []")


@pytest.mark.parametrize(
    "text",
    [
        "entries: 2026-13-45",
        "a: !!int abc",
        "a: !!bool perhaps",
        'a: !!int ""',
        "a: !!timestamp soon",
        f"seed: 1{'0' * 5000}",
        "[" * 3000,
    ],
    ids=[
        "no such date",
        "no integer",
        "no boolean",
        "empty integer",
        "no timestamp",
        "huge integer",
        "deeply nested",
    ],
)
def test_a_value_that_yaml_itself_cannot_build_is_one_line(tmp_path: Path, text: str):
    assert "not valid YAML" in refused(tmp_path, text)


def test_a_key_with_a_line_break_is_still_one_line(tmp_path: Path):
    assert "unknown key" in refused(tmp_path, '"a\\nb": 1')


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path):
    with pytest.raises(
        RegistryError,
        match=(
            r"none\.yaml: cannot be read \(No such file or directory\); give the path of a YAML"
            r" file"
        ),
    ):
        load([tmp_path / "none.yaml"])


def test_a_folder_is_not_a_registry(tmp_path: Path):
    with pytest.raises(RegistryError, match=r"cannot be read \(Is a directory\)"):
        load([tmp_path])


def test_bytes_that_are_not_text_are_one_line(tmp_path: Path):
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00entries")
    with pytest.raises(RegistryError, match="not valid YAML"):
        load([tmp_path / "mine.yaml"])


def outcome(path: Path) -> str:
    """What reading an overlay came to; anything but RegistryError comes through."""
    try:
        load([path])
    except RegistryError:
        return "refused"
    return "read"


# Letters, digits and marks that make YAML, and any text at all.
YAML_TEXT = st.text("abc019:-[]{}&*?|>'\"#,%@!` \n\t~=<", max_size=40) | st.text(
    st.characters(codec="utf-8"), max_size=40
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(text=YAML_TEXT)
@example(text="<<: {a: b}")
@example(text="\x00")
def test_text_of_any_kind_raises_nothing_but_a_registry_error(tmp_path: Path, text: str):
    assert outcome(overlay(tmp_path, text)) in ("read", "refused")


JSONLIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("protocols", "pins", "weights", "datasets", "entries", "name", "x")),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(content=JSONLIKE)
def test_yaml_of_any_shape_raises_nothing_but_a_registry_error(tmp_path: Path, content: object):
    assert outcome(overlay(tmp_path, yaml.safe_dump(content))) in ("read", "refused")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_the_packaged_registry_cut_off_anywhere_raises_nothing_but_a_registry_error(
    tmp_path: Path, data: st.DataObject
):
    text = PACKAGED.read_text(encoding="utf-8")
    assert outcome(overlay(tmp_path, text[: data.draw(st.integers(0, len(text)))])) in (
        "read",
        "refused",
    )
