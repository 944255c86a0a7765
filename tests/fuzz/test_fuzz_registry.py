"""registry.yaml, overlays and claims.yaml: any text is a valid file or one line that names it;
bombs cost neither time nor memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nverbench import registry
from nverbench._io.digests import digest_of
from nverbench.leaderboard.claims import spec as claims
from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection
from nverbench.plugin import discovery
from nverbench.plugin.catalog import Catalog
from support.foreign_text import TEXTS, VALUES, lawful, often, spoilt, spoilt_bytes

OVERLAY: dict[str, Any] = {
    "protocols": {
        "mine": {
            "summary": "s",
            "seed": 1,
            "k": 5,
            "scaling": "z-score",
            "selection": "inner",
            "inner_share": 0.1,
            "inner_most": 0.2,
            "inner_per_class": 5,
            "patience": 5,
            "optimizer": "adam",
            "lr": 0.001,
            "batch": 32,
            "epochs": 20,
            "replicates": 5,
        }
    },
    "pins": {
        "weights": {
            "w": {"source": "https://x.org/a", "licence": "MIT", "sha256": "0" * 64, "size": 3}
        },
        "datasets": {
            "d": {"source": "s", "licence": "l", "digest": "1" * 64, "folds": {"speaker": "2" * 64}}
        },
    },
    "entries": [
        {
            "name": "mine",
            "backbones": [["logmel-stats"], ["logmel-stats", "byol-s"]],
            "fusions": ["linear"],
            "losses": ["cross-entropy"],
            "datasets": ["vocal-demo", "d"],
            "protocol": "mine",
            "weights": "untrained",
            "demo": True,
        }
    ],
}
YAML = yaml.safe_dump(OVERLAY).encode()
CLAIMS = claims.FILE.read_bytes()
CLAIMED = yaml.safe_load(CLAIMS)
CLAIMED["claims"] = CLAIMED["claims"][:2]
CLAIMED["families"] = {"a": "b"}
BITS = st.sampled_from(
    [
        b"- ",
        b"? ",
        b": ",
        b"&a ",
        b"*a",
        b"!!set ",
        b"!!binary ",
        b"!!timestamp ",
        b"!!int ",
        b"!!float ",
        b"<<: ",
        b"|\n",
        b">\n",
        b"[",
        b"]",
        b"{",
        b"}",
        b"'",
        b'"',
        b"\\x",
        b"%YAML 9.9\n",
        b"---\n",
        b"...\n",
        b"#",
        b"\t",
        b"2020-01-99",
        b"0b2",
        b"1:2:3",
        b"0x",
        b"~",
        b"!!python/name:os.system ",
        b"\x85",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"a",
        b"\n",
        b"  ",
    ]
)
SOUP = st.lists(BITS, max_size=12).map(b"".join)


def dumped(value: Any) -> bytes:
    """YAML of anything, also of what YAML forbids."""
    return yaml.dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def base(room: Path) -> Path:
    """A small registry to overlay: the packaged one takes a while to read."""
    (room / "base.yaml").write_bytes(
        dumped({"protocols": {"nver-1": OVERLAY["protocols"]["mine"]}})
    )
    return room / "base.yaml"


FILES = st.one_of(
    spoilt(OVERLAY).map(dumped),
    spoilt_bytes(YAML),
    SOUP,
    VALUES.map(dumped),
    st.builds(lambda soup, at: YAML[:at] + soup + YAML[at:], SOUP, st.integers(0, len(YAML))),
)


@given(FILES)
@often(150)
def test_an_overlay_is_read_or_refused(room: Path, base: Path, content: bytes) -> None:
    (room / "mine.yaml").write_bytes(content)
    found = lawful(
        "registry: overlays",
        lambda: registry.load([room / "mine.yaml"], base),
        "mine.yaml",
        "registry: ",
    )
    if found is not None:  # what was read can go into an identity
        digest_of([protocol.model_dump() for protocol in found.protocols.values()])


@given(st.one_of(spoilt(CLAIMED).map(dumped), spoilt_bytes(CLAIMS), SOUP))
@often(60)
def test_claims_are_read_or_refused(room: Path, content: bytes) -> None:
    (room / "claims.yaml").write_bytes(content)
    lawful("registry: claims", lambda: claims.load(room / "claims.yaml"), "claims.yaml")


def nested(deep: int, merge: bool) -> str:
    """A billion laughs: each line holds the one before ten times."""
    inner = ["  - &a0 [x, x]" if not merge else "  - &a0 {x: 1}"]
    for i in range(deep):
        ten = ", ".join([f"*a{i}"] * 10)
        inner.append(f"  - &a{i + 1} {{<<: [{ten}]}}" if merge else f"  - &a{i + 1} [{ten}]")
    return "entries:\n" + "\n".join(inner)


BOMBS = {
    "laughs": nested(12, merge=False),
    "merges": nested(12, merge=True),
    "laughs in a name": nested(12, merge=False) + "\n  - {name: *a12}",
    "deep": "[" * 5_000,
    "deep maps": "{a: " * 20_000,
    "keys": "protocols:\n" + "".join(f"  k{i}: 1\n" for i in range(5_000)),
    "bytes": "x" * 10_000_000,
    "a huge number": f"protocols: {{a: {{seed: 0x{'f' * 5_000}, k: 0x{'f' * 5_000}}}}}",
    "minutes of minutes": "a: 1" + ":1" * 100_000,
    "a grid of a billion": (
        "entries:\n- name: big\n  backbones: [[a]]\n"
        + "".join(
            f"  {kind}: [{', '.join([kind] * 1000)}]\n"
            for kind in ("fusions", "losses", "datasets")
        )
    ),
    "a list of lists": (
        "entries:\n- &a ["
        + "x, " * 5_000
        + "x]\n- {name: a, fusions: *a, datasets: *a, backbones: ["
        + ", ".join(["*a"] * 5_000)
        + "]}"
    ),
    "itself": "entries: &a [*a]",
    "itself as a key": "&a ? *a : 1",
    "a long key": "? " + "k" * 900_000 + "\n: 1",
    "a long value": "entries: " + "v" * 900_000,
    "mistakes": "entries: [" + "1, " * 5_000 + "]",
    "a date that is none": "entries: 2020-13-45",
    "omap": "entries: !!omap [a: 1, b: 2]",
    "octal": "entries: 09",
    "": "",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_registry_that_is_a_bomb_costs_a_line(room: Path, base: Path, name: str) -> None:
    (room / "mine.yaml").write_text(BOMBS[name])
    found = lawful(
        "registry: overlays",
        lambda: registry.load([room / "mine.yaml"], base),
        "mine.yaml",
        "registry: ",
    )
    assert (found is None) == (name != "")
    lawful("registry: claims", lambda: claims.load(room / "mine.yaml"), "mine.yaml")


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "/",
        "\x00",
        "a\nb",
        "nothing",
        "x" * 5000,
        "/proc/self/mem",
        "/dev/null/x",
        "~nobody/x",
        "\ud800",
    ],
)
def test_a_registry_that_is_no_file_costs_a_line(path: str) -> None:
    assert lawful("registry: overlays", lambda: registry.load([Path(path)]), "registry") is None


@pytest.fixture(scope="module")
def installed() -> Catalog:
    return discovery.discover()


NAMES = st.one_of(
    st.sampled_from(
        [
            "logmel-stats",
            "vocal-demo",
            "linear",
            "reno",
            "cross-entropy",
            "logmel-stats:x=1",
            "vocal-demo:exclude=a",
            "vocal-demo:test=jnv",
            "npz:/nothing",
            "folder:/nothing",
            "table:/nothing.csv",
            "reno:align_dim=x",
            "byol-s:weights=/nothing",
        ]
    ),
    TEXTS,
)


@given(
    st.lists(st.lists(NAMES, min_size=1, max_size=2), min_size=1, max_size=2),
    *[st.lists(NAMES, min_size=1, max_size=2)] * 2,
    st.lists(NAMES, max_size=1),
    st.one_of(st.none(), TEXTS),
)
@often(60)
def test_entries_of_unknown_things_are_planned_skipped_or_refused(
    room: Path,
    base: Path,
    installed: Catalog,
    backbones: list[list[str]],
    fusions: list[str],
    datasets: list[str],
    losses: list[str],
    folds: str | None,
) -> None:
    grid = {
        "name": "mine",
        "backbones": backbones,
        "fusions": fusions,
        "losses": losses,
        "datasets": datasets,
        "folds": folds,
    }
    (room / "mine.yaml").write_bytes(dumped({"entries": [grid]}))
    rules = lawful(
        "registry: overlays",
        lambda: registry.load([room / "mine.yaml"], base),
        "mine.yaml",
        "registry: ",
    )
    if rules is not None:
        own = registry.Registry(
            rules.protocols,
            rules.weights,
            rules.datasets,
            tuple(e for e in rules.entries if e.overlay),
            rules.overlays,
        )
        lawful("registry: planned entries", lambda: plan(own, installed, Selection()))
