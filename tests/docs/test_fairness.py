"""docs/fairness.md, lived through: every console line runs, and its table of corpora is what the
loaders say.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nverbench.cli import main
from nverbench.data import corpus as corpora
from nverbench.plugin import discovery
from support.conversations import leave
from support.leaderboards import write
from support.named_corpora import CASES
from support.paths import ROOT

PAGE = (ROOT / "docs" / "fairness.md").read_text(encoding="utf-8")
LINES = [
    line.removeprefix("$ nverbench ")
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
CLASSES = ("laugh", "cry")


def recordings(folder: Path) -> None:
    """Ten people of two sexes, four clips each, and predictions for them."""
    noise = np.random.default_rng(0)
    rows, said = [], []
    for i in range(40):
        label, person = CLASSES[i % 2], i // 4
        wave = 0.2 * np.sin(np.arange(3000 + 9 * i) * (0.1 + 0.1 * (i % 2)))
        name = f"{i}.wav"
        soundfile.write(folder / name, wave + 0.01 * noise.standard_normal(len(wave)), 16_000)
        sex, age = "fm"[person % 2], str(20 + 2 * person)
        rows.append([name, label, f"p{person}", sex, age])
        said.append([name, label, CLASSES[i % 3 % 2], f"p{person}", sex])
    write(folder / "recordings.csv", rows, ["path", "label", "speaker", "sex", "age"])
    write(folder / "predictions.csv", said, ["id", "label", "prediction", "speaker", "sex"])


def test_the_lines_of_the_page_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings(tmp_path)
    monkeypatch.chdir(tmp_path)
    table = "table:recordings.csv"
    corpus = corpora.load_local(discovery.discover().dataset("table"), table)
    leave(tmp_path / "nverbench-runs", corpus, "aabb", fusion="linear", dataset=table)
    printed = []
    for line in LINES:
        with pytest.raises(SystemExit) as left:
            main(["aabb" if word == "ID" else word for word in shlex.split(line)])
        printed.append(capsys.readouterr())
        assert not left.value.code, printed[-1].err
    assert "by sex, intervals over speakers" in printed[0].out
    assert '"value": "20 to 29"' in printed[1].out
    assert "worst group by UAR: " in printed[2].out


CORPORA = {str(case.dataset.corpus): case.dataset for case in reversed(CASES)}
ROWS = {
    corpus.casefold(): facts
    for cells in (row.split("|") for row in PAGE.splitlines() if row.startswith("| "))
    for corpus, facts in ((name.strip(), cells[2]) for name in cells[1].split(","))
}


@pytest.mark.parametrize("corpus", sorted(CORPORA))
def test_the_page_names_every_fact_that_a_corpus_says(corpus: str, tmp_path: Path) -> None:
    CORPORA[corpus].sample(tmp_path)
    items = CORPORA[corpus].load(tmp_path)
    said = {fact for item in items for fact in getattr(item, "speaker_facts", {})}
    facts = ROWS[corpus].replace("adult or child", "age")
    assert said <= {fact for fact in ("sex", "age", "language") if fact in facts}
