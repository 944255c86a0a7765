"""Which parts exist: a broken plugin harms only itself, a name belongs to one distribution, and
looking stays cheap.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nverbench
from nverbench import Backbone, Fusion, Loss, PartError, UsageError
from nverbench.errors import CatalogError
from nverbench.plugin import discovery as catalog_room
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.discovery import discover
from support.plugins import brings, build, fails, loss, origin, plugin, with_extra
from support.wheels import install, loss_of

HOUSE_PARTS = {
    "backbones": {
        "audio-mamba-tiny",
        "audio-mamba-small",
        "audio-mamba-base",
        "wavlm-base",
        "wav2vec2-base",
        "unispeech-sat-base",
        "hubert-base",
        "byol-s",
        "npz",
    },
    "datasets": {"emogator", "emogator-10", "emogator-41", "folder", "table", "vocal-demo"},
    "fusions": {"linear", "fcn", "cnn", "concat", "reno"},
    "losses": {"cosine", "cross-entropy", "jensen-shannon", "kl", "mmd", "renyi"},
}


def wrong_argument(nonsense: int) -> Any: ...


def odd_option(*_: object, width: Any = (1, 2)) -> Any: ...


class Special(Loss):
    """A record of a stranger's own class."""


# the house


@pytest.mark.parametrize("kind", HOUSE_PARTS)
def test_every_first_party_part_is_found(kind: str):
    assert HOUSE_PARTS[kind] <= set(getattr(discover(), kind).parts)


def test_the_house_has_no_plugin_in_quarantine_and_no_clash():
    found = discover()
    assert (
        [q for q in found.quarantine if q.origin.distribution == "nverbench"],
        found.clashes,
    ) == ([], [])


@pytest.mark.parametrize("name", ["backbones", "datasets", "fusions", "losses"])
def test_the_harness_never_names_a_first_party_package(name: str):
    root = Path(nverbench.__file__).parent
    imports = re.compile(
        rf"^\s*(?:from|import)\s+nverbench_{name}\b|import_module\([\"']nverbench_{name}"
    )
    lines = [
        (path.name, line)
        for path in sorted(root.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert [(file, line) for file, line in lines if imports.search(line)] == []


# broken plugins


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (plugin(nverbench_losses=fails(RuntimeError("out of\nluck"))), "RuntimeError: out of luck"),
        (plugin(nverbench_losses=fails(SystemExit(3))), "SystemExit: 3"),
        (plugin(nverbench_losses=fails(PartError("loss x: is wrong"))), "loss x: is wrong"),
        (plugin(nverbench_losses=fails(ValueError())), "ValueError: no message"),
        (plugin(nverbench_loss=lambda: []), "unknown hook 'nverbench_loss'"),
        (plugin(nverbench_losses=wrong_argument), "nonsense"),
        (
            plugin(nverbench_losses=lambda: [Fusion(name="x", arity=(1, 1), build=build)]),
            "nverbench_losses gave a Fusion; expected Loss records",
        ),
        (
            plugin(nverbench_losses=lambda: ["x"]),
            "nverbench_losses gave a str; expected Loss records",
        ),
        (plugin(nverbench_losses=lambda: loss("x")), "TypeError: 'Loss' object is not iterable"),
        (
            plugin(nverbench_losses=lambda: [Loss(name="X", build=build)]),
            "loss 'X': a name is lower-case",
        ),
        (
            plugin(nverbench_losses=lambda: [Loss(name="x", build=odd_option)]),
            "loss x: option width has default (1, 2); expected true, false",
        ),
        (
            plugin(nverbench_losses=lambda: [Loss(name="x", build=None)]),
            "loss x: build is a NoneType where Callable",
        ),  # type: ignore[arg-type]
        (
            plugin(nverbench_losses=lambda: (loss(n) for n in ("x", "Y"))),
            "loss 'Y': a name is lower-case",
        ),
    ],
    ids=[
        "raises",
        "leaves",
        "one of our errors",
        "says nothing",
        "mistyped hook",
        "hook with an argument",
        "record of another kind",
        "no record",
        "not a list",
        "bad name",
        "odd option",
        "no function",
        "fails half-way",
    ],
)
def test_a_broken_plugin_is_quarantined_with_its_reason_and_the_others_go_on(
    module: ModuleType, reason: str
):
    found = with_extra(broken=module, sound=brings(loss("mine")))
    assert [(q.origin.plugin, reason in q.error, "\n" in q.error) for q in found.quarantine] == [
        ("broken", True, False)
    ]
    assert {"mine", *HOUSE_PARTS["losses"]} == set(found.losses.parts)


def test_one_broken_hook_takes_every_part_of_its_plugin_along():
    module = plugin(
        nverbench_losses=lambda: [loss("mine")], nverbench_fusions=fails(RuntimeError("no"))
    )
    assert "mine" not in with_extra(half=module).losses.parts


def test_a_part_of_a_subclass_never_brings_the_catalog_down():
    found = with_extra(special=plugin(nverbench_losses=lambda: [Special(name="mine", build=build)]))
    assert ("mine" in found.losses.parts) != bool(found.quarantine)


@pytest.mark.parametrize("answer", [None, [], ()], ids=repr)
def test_a_plugin_that_brings_nothing_is_fine(answer: Any):
    found = with_extra(empty=plugin(nverbench_losses=lambda: answer))
    assert (origin("empty") in found.plugins, found.quarantine) == (True, [])


def test_a_part_remembers_who_brought_it():
    assert str(with_extra(mine=brings(loss("mine"))).losses.origins["mine"]) == "nver-mine 1.0"


# import through entry points


def with_points(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    installed = list(entry_points(group="nverbench"))
    monkeypatch.setattr(catalog_room, "entry_points", lambda group: [*points, *installed])


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('half\\ninstalled')", "RuntimeError: half installed"),
        ("raise SystemExit('go away')", "SystemExit: go away"),
        (
            "import nothing_of_that_name",
            "ModuleNotFoundError: No module named 'nothing_of_that_name'",
        ),
        ("def f(:", "SyntaxError: "),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
):
    (tmp_path / "broken_at_import.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_at_import", raising=False)
    with_points(monkeypatch, EntryPoint("broken", "broken_at_import", "nverbench"))
    found = discover()
    assert [(q.origin.plugin, q.error.startswith(reason)) for q in found.quarantine] == [
        ("broken", True)
    ]
    assert HOUSE_PARTS["losses"] <= set(found.losses.parts)


def test_the_house_is_taken_in_before_strangers_whatever_the_order_of_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lines = (
        "from nverbench import Loss, hookimpl",
        "@hookimpl",
        "def nverbench_losses():",
        "    return [Loss(name='renyi', build=len)]",
    )
    (tmp_path / "early_bird.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    with_points(monkeypatch, EntryPoint("a", "early_bird", "nverbench"))
    found = discover()
    assert found.losses.origins["renyi"].distribution == "nverbench"
    assert len(found.clashes) == 1


# leaving plugins out


@pytest.mark.parametrize("disabled", [["losses"], ("losses", "fusions")])
def test_a_disabled_plugin_is_left_out(disabled: list[str]):
    assert "renyi" not in discover(disabled).losses.parts


def test_a_disabled_distribution_is_left_out_whole():
    assert [o for o in discover(["nverbench"]).plugins if o.distribution == "nverbench"] == []


@pytest.mark.parametrize(
    ("value", "left"), [("losses", False), ("fusions,losses", False), ("", True), ("fusions", True)]
)
def test_the_environment_leaves_plugins_out(
    monkeypatch: pytest.MonkeyPatch, value: str, left: bool
):
    monkeypatch.setenv("NVERBENCH_DISABLE_PLUGINS", value)
    assert ("renyi" in discover().losses.parts) is left


def test_the_environment_may_hold_spaces_after_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NVERBENCH_DISABLE_PLUGINS", "fusions, losses")
    assert "renyi" not in discover().losses.parts


def test_a_disabled_plugin_is_listed_as_disabled():
    standing = {
        s.origin.plugin: s.status
        for s in discover(["losses"]).plugin_statuses()
        if s.origin.distribution == "nverbench"
    }
    assert standing == {"backbones": "ok", "datasets": "ok", "fusions": "ok", "losses": "disabled"}


@pytest.mark.parametrize("name", ["nver_mine", "Nver.Mine", "NVER-MINE"])
def test_a_distribution_is_left_out_under_any_spelling_that_an_index_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "mine", loss_of("mine"))
    assert "mine" not in discover([name]).losses.parts


# names claimed twice


def test_a_name_claimed_by_two_strangers_is_refused_naming_both():
    found = with_extra(one=brings(loss("mine"), loss("other")), two=brings(loss("mine")))
    with pytest.raises(
        CatalogError,
        match=r"loss mine is claimed by nver-one 1\.0 and by nver-two 1\.0; uninstall one of them",
    ):
        found.loss("mine")
    assert found.loss("other").name == "other"


def test_a_name_claimed_by_three_strangers_stays_refused():
    found = with_extra(
        one=brings(loss("mine")), two=brings(loss("mine")), three=brings(loss("mine"))
    )
    with pytest.raises(CatalogError, match=r"claimed by two others and by nver-three 1\.0"):
        found.loss("mine")
    assert len(found.clashes) == 2


def test_a_stranger_who_claims_a_house_name_loses_and_the_house_part_stays():
    found = with_extra(one=brings(loss("renyi"), loss("mine")))
    assert found.losses.origins["renyi"].distribution == "nverbench"
    assert "loss renyi is claimed by nverbench" in found.clashes[0]
    assert "the one of nverbench stays, rename the other" in found.clashes[0]
    assert found.loss("renyi").needs == "views"
    assert found.loss("mine").name == "mine"


def test_one_plugin_that_gives_a_name_twice_is_told_to_rename_it():
    with pytest.raises(
        CatalogError, match=r"loss mine is given twice by nver-one 1\.0; its author must rename one"
    ):
        with_extra(one=brings(loss("mine"), loss("mine"))).loss("mine")


def test_parts_of_two_kinds_may_share_a_name():
    module = plugin(
        nverbench_losses=lambda: [loss("mine")],
        nverbench_fusions=lambda: [Fusion(name="mine", arity=(1, 1), build=build)],
    )
    assert with_extra(one=module).clashes == []


# unknown names


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("backbone", "wavlm", "no backbone named 'wavlm' is installed; did you mean wavlm-base"),
        ("dataset", "emogater", "no dataset named 'emogater' is installed; did you mean emogator"),
        ("fusion", "rino", "no fusion named 'rino' is installed; did you mean reno"),
        (
            "loss",
            "zzz",
            (
                "no loss named 'zzz' is installed; known: cosine, cross-entropy, jensen-shannon,"
                " kl, mmd, renyi"
            ),
        ),
    ],
)
def test_an_unknown_name_suggests_the_nearest(kind: str, name: str, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        getattr(discover(), kind)(name)


def test_an_unknown_name_quotes_the_plugins_in_quarantine():
    found = with_extra(broken=plugin(nverbench_losses=fails(RuntimeError("out of luck"))))
    with pytest.raises(
        UsageError,
        match=r"plugin broken of nver-broken 1\.0 is in quarantine: RuntimeError: out of luck",
    ):
        found.loss("mine")


def test_an_empty_shelf_says_that_none_is_installed():
    with pytest.raises(UsageError, match="no backbone named 'x' is installed; none is installed"):
        Catalog().backbone("x")


@pytest.mark.parametrize("kind", [Backbone, Fusion, Loss])
def test_records_come_back_as_their_plugin_gave_them(kind: type):
    found = discover()
    shelf: Any = {Backbone: found.backbones, Fusion: found.fusions, Loss: found.losses}[kind]
    assert {type(part) for part in shelf.parts.values()} == {kind}


# cost of looking

LIST = """
import resource, sys
from nverbench.cli import main
try:
    main(["list"])
except SystemExit as left:
    assert not left.code, left.code
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = {"torch", "transformers", "mlflow", "numpy"} & set(sys.modules)
print(f"{used.ru_utime + used.ru_stime} {','.join(sorted(heavy)) or 'light'}", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def listings() -> list[tuple[float, str]]:
    """CPU seconds, and heavy modules, of three fresh processes that list the parts."""
    runs = [
        subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    return [(float(seconds), heavy) for seconds, heavy in (run.stderr.split() for run in runs)]


def test_listing_imports_no_heavy_library(listings: list[tuple[float, str]]):
    assert {heavy for _, heavy in listings} == {"light"}


def test_listing_is_instant(listings: list[tuple[float, str]]):
    # The aim is 0.5 s of CPU time (not wall time: other tests share the cores); twice that leaves
    # room for slow machines in CI.
    assert statistics.median(seconds for seconds, _ in listings) < 1.0
