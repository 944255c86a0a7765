"""Tables by kind, written by a seed and read twice: by ``table:`` and by pandas, which is told how
each table was written.

``python benchmarks/reliability/fuzz_tables.py [EXAMPLES PER KIND]`` prints a line per kind. A table
without a fault must give the rows that pandas gives; a table with a fault must be refused in one
line. Exit code 1 where one does not.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from nverbench import Clip, NverbenchError
from nverbench.plugin.options import resolve
from nverbench_datasets.table import TABLE

SEED = 17
PATHS = [
    *("a/1.wav", "a/2.wav", "b, c/3.wav", "d;e/4.wav", 'q"x/5.wav', "\u00e9/6.wav", "s p/7.wav"),
    *(
        "t|p/8.wav",
        "\u65e5\u672c/9.wav",
        "#/10.wav",
        "=/11.wav",
        "'x'/12.wav",
        "u/13.wav",
        "v/14.wav",
    ),
]
LATIN = [path for path in PATHS if path.isascii() or path.startswith("\u00e9")]
LABELS = ["laugh", "cry", "d\u00e9go\u00fbt", "anger, hot", 'the "sigh"', "a;b", "x|y", "3", "None"]
SPEAKERS = ["ann", "bob", "Z\u00fc", "p 7", "11", "012", "S. O'Hara", "x,y"]
SEPARATORS = [",", ";", "\t", "|"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"]
NAMES = {
    "path": ["path", "file", "filename", "file_name", "wav", "audio_path", "Path", "FILE NAME"],
    "label": ["label", "emotion", "emo", "class", "category", "Label", "EMOTION"],
    "speaker": ["speaker", "speaker_id", "spk", "subject", "Actor", "client_id", "Speaker ID"],
}
TIMES = {"start": ["start", "start_time", "onset", "begin"], "end": ["end", "end_time", "stop"]}
MISSING = ["", "nan", "NaN", "N/A", "NA", "<NA>", "null", "#N/A", "n/a"]
INVISIBLE = ["\u200b", "\ufeff", "\u00a0", "\u2060", " ", "\t"]
ENDS = "".join(INVISIBLE) + "\r\n"

Row = tuple[str, str, str | None, float | None, float | None]
"""Path, label, speaker, start and end."""


@dataclass(frozen=True)
class Example:
    """A table, how it is written, and whether it has a fault."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: dict[str, str]
    """Meaning -> column."""
    sep: str = ","
    encoding: str = "utf-8"
    quoting: int = csv.QUOTE_MINIMAL
    end: str = "\r\n"
    before: tuple[str, ...] = ()
    """Lines above the header."""
    after: tuple[str, ...] = ()
    """Lines below the rows."""
    options: dict[str, str] = field(default_factory=dict)
    json_lines: bool = False
    faulty: bool = False

    def content(self) -> bytes:
        """The bytes of the table."""
        if self.json_lines:
            records = (dict(zip(self.columns, row, strict=True)) for row in self.rows)
            lines = [json.dumps(record, ensure_ascii=len(self.rows) % 2 == 0) for record in records]
            return self.end.join(lines).encode(self.encoding)
        out = io.StringIO(newline="")
        writer = csv.writer(
            out,
            delimiter=self.sep,
            quoting=self.quoting,
            lineterminator=self.end,  # type: ignore[arg-type]
        )
        writer.writerows([self.columns, *self.rows])
        lines = "".join(line + self.end for line in self.before)
        return (lines + out.getvalue() + self.end.join(self.after)).encode(self.encoding)


def plain(
    rng: random.Random, paths: Sequence[str] = PATHS, labels: Sequence[str] = LABELS
) -> Example:
    """A table without a fault: 4 to 12 clips, 2 to 4 labels, with or without speakers."""
    chosen = rng.sample(paths, rng.randint(4, min(12, len(paths))))
    classes, people = (
        rng.sample(labels, rng.randint(2, min(4, len(labels)))),
        rng.sample(SPEAKERS, 3),
    )
    rows = [(path, classes[i % len(classes)], rng.choice(people)) for i, path in enumerate(chosen)]
    size = 3 if rng.random() < 0.8 else 2
    names = {meaning: meaning for meaning in ("path", "label", "speaker")[:size]}
    return Example(tuple(names), tuple(row[:size] for row in rows), names)


def with_column(example: Example, name: str, values: Sequence[str]) -> Example:
    rows = tuple((*row, value) for row, value in zip(example.rows, values, strict=True))
    return replace(example, columns=(*example.columns, name), rows=rows)


def with_cell(example: Example, place: int, column: int, text: str) -> Example:
    rows = [list(row) for row in example.rows]
    rows[place][column] = text
    return replace(example, rows=tuple(map(tuple, rows)))


def renamed(example: Example, place: int, name: str) -> Example:
    columns = [*example.columns[:place], name, *example.columns[place + 1 :]]
    names = {m: name if c == example.columns[place] else c for m, c in example.names.items()}
    return replace(example, columns=tuple(columns), names=names)


def encodings(rng: random.Random) -> Example:
    encoding = rng.choice(ENCODINGS)
    narrow = encoding in ("latin-1", "cp1252")
    example = plain(rng, LATIN if narrow else PATHS)
    told = narrow and rng.random() < 0.7
    options = {"encoding": encoding} if told else {}
    text = example.content().decode()
    unread = narrow and not told and not text.isascii()
    return replace(example, encoding=encoding, options=options, faulty=unread)


def separators(rng: random.Random) -> Example:
    sep = rng.choice(SEPARATORS)
    word = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}[sep]
    return replace(plain(rng), sep=sep, options={"sep": word} if rng.random() < 0.3 else {})


def quoting(rng: random.Random) -> Example:
    end = rng.choice(["\n", "\r\n", "\r"])
    style = rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
    example = replace(plain(rng), quoting=style, end=end, sep=rng.choice(SEPARATORS))
    texts = [rng.choice(["a", "b, c", 'say "x"', "", f"two{end}lines"]) for _ in example.rows]
    return with_column(example, "note", texts) if rng.random() < 0.5 else example


def column_names(rng: random.Random) -> Example:
    example = plain(rng)
    for place, meaning in enumerate(list(example.names)):
        example = renamed(example, place, rng.choice(NAMES[meaning]))
    if rng.random() < 0.5:
        return example
    other = f"{rng.choice(['the ', 'My', 'x-'])}{rng.choice(['file', 'mood', 'who'])}"
    meaning = rng.choice(list(example.names))
    place = list(example.names).index(meaning)
    told = rng.random() < 0.7
    example = renamed(example, place, other)
    if meaning == "speaker" and not told:  # an unknown column is not used
        return replace(example, names={m: c for m, c in example.names.items() if m != "speaker"})
    return replace(example, options={meaning: other} if told else {}, faulty=not told)


def order(rng: random.Random) -> Example:
    example = plain(rng)
    for name in rng.sample(["session", "valence", "text", "rater", "", "fold"], rng.randint(0, 3)):
        example = with_column(example, name, [str(rng.randint(0, 9)) for _ in example.rows])
    places = rng.sample(range(len(example.columns)), len(example.columns))
    return replace(
        example,
        columns=tuple(example.columns[i] for i in places),
        rows=tuple(tuple(row[i] for i in places) for row in example.rows),
    )


def preambles(rng: random.Random) -> Example:
    sep = rng.choice(SEPARATORS)
    lines = rng.sample(
        ["# made by hand", "#", "", "# path, label", "#path;label"], rng.randint(0, 3)
    )
    lines += [rng.choice([f"sep={sep}", f'"sep={sep}"'])] if rng.random() < 0.5 else []
    after = rng.choice([(), ("",), ("", ""), (sep,), (sep, "")])
    return replace(plain(rng), sep=sep, before=tuple(lines), after=after)


def missing(rng: random.Random) -> Example:
    example = plain(rng, labels=LABELS[:-1])
    column = rng.randrange(1, len(example.columns))
    word = rng.choice(MISSING)
    if column == 2 and rng.random() < 0.4:  # no speaker is known
        for place in range(len(example.rows)):
            example = with_cell(example, place, column, rng.choice(MISSING))
        return example
    return replace(with_cell(example, rng.randrange(len(example.rows)), column, word), faulty=True)


def spellings(rng: random.Random) -> Example:
    example = plain(rng, labels=["laugh", "cry", "d\u00e9go\u00fbt", "sigh 2"])
    column = rng.randrange(1, len(example.columns))
    if column == 2:
        rows = [(*row[:2], rng.choice(["p1", "p2", "P 30"])) for row in example.rows]
        example = replace(example, rows=tuple(rows))
    place = rng.randrange(1, len(example.rows))
    text = example.rows[0][column]
    ways = [text.swapcase(), f"{text[:1]}\u200b{text[1:]}", text.replace(" ", "_") + " _"]
    ways += [re.sub(r"(\d+)", r"0\1", text)] if re.search(r"\d", text) else []
    ways = [way for way in ways if way.strip() != text]
    return replace(with_cell(example, place, column, rng.choice(ways)), faulty=True)


def invisible(rng: random.Random) -> Example:
    example = plain(rng, labels=LABELS[:3])
    for place, row in enumerate(example.rows):
        column = rng.randrange(len(row))
        text = row[column]
        way = rng.choice(["before", "after", "accents"])
        mark = rng.choice(INVISIBLE)
        text = {
            "before": mark + text,
            "after": text + mark,
            "accents": unicodedata.normalize("NFD", text),
        }[way]
        example = with_cell(example, place, column, text)
    return example


def times(rng: random.Random) -> Example:
    example = plain(rng)
    start, end = rng.choice(TIMES["start"]), rng.choice([*TIMES["end"], "duration"])
    begins, ends = [], []
    style = rng.choice(["number", "timedelta", "clock"])
    for _ in example.rows:
        first = rng.randint(0, 2000) / 1000
        last = rng.randint(1, 3000) / 1000 + (0 if end == "duration" else first)
        begins.append(
            rng.choice(["", "NaT", "nan"]) if rng.random() < 0.1 else written(first, style)
        )
        ends.append(rng.choice(["", "NaT"]) if rng.random() < 0.2 else written(last, style))
    faulty = rng.random() < 0.3
    if faulty:
        begins[-1] = rng.choice(["0,1", "-1", "soon", "inf", "1:30", "99:99:99"])
    example = with_column(with_column(example, start, begins), end, ends)
    names = {**example.names, "start": start, ("duration" if end == "duration" else "end"): end}
    return replace(example, names=names, sep=rng.choice([",", ";"]), faulty=faulty)


def written(seconds: float, style: str) -> str:
    if style == "number":
        return f"{seconds:g}" if seconds > 0.1 else f"{seconds:.3f}"
    text = str(pd.Timedelta(seconds=seconds))
    return text if style == "timedelta" else text.removeprefix("0 days ")


def json_lines(rng: random.Random) -> Example:
    example = column_names(rng)
    return replace(example, json_lines=True, end=rng.choice(["\n", "\r\n", "\n\n"]))


def ragged(rng: random.Random) -> Example:
    example = plain(rng)
    place = rng.randrange(len(example.rows))
    row = example.rows[place]
    spoilt = rng.choice([row[:-1], (*row, "x"), (row[0], *row), (*row, "", "y")])
    rows = (*example.rows[:place], spoilt, *example.rows[place + 1 :])
    return replace(example, rows=rows, faulty=True)


def twice(rng: random.Random) -> Example:
    example = plain(rng)
    meaning = rng.choice(list(example.names))
    place = list(example.names).index(meaning)
    values = [row[place] for row in example.rows]
    other = values[1:] + values[:1]
    if rng.random() < 0.5:  # nverbench's own name wins, and the other column is named
        return with_column(example, rng.choice(NAMES[meaning][1:5]), other)
    one, two = rng.sample(NAMES[meaning][1:5], 2)
    agree = rng.random() < 0.5
    example = with_column(renamed(example, place, one), two, values if agree else other)
    return replace(example, faulty=not agree and values != other)


def numbers(rng: random.Random) -> Example:
    example = plain(rng)
    scale = rng.random() < 0.5
    for place in range(len(example.rows)):
        text = f"{rng.random():.3f}" if scale else rng.choice("0123")
        example = with_cell(example, place, 1, text)
    return replace(
        with_cell(with_cell(example, 0, 1, "0.5" if scale else "0"), 1, 1, "7"), faulty=scale
    )


KINDS: dict[str, Callable[[random.Random], Example]] = {
    "plain": plain,
    "encodings": encodings,
    "separators": separators,
    "quoting": quoting,
    "names of columns": column_names,
    "order of columns": order,
    "lines above": preambles,
    "missing words": missing,
    "spellings": spellings,
    "invisible characters": invisible,
    "times": times,
    "JSON Lines": json_lines,
    "cells too few or many": ragged,
    "columns of one meaning": twice,
    "labels as numbers": numbers,
}


def by_pandas(example: Example) -> list[Row]:
    """The rows as pandas reads them, told how the table is written."""
    text = example.content().decode(example.encoding)
    if example.json_lines:
        frame = pd.DataFrame([json.loads(line) for line in text.split("\n") if line.strip()])
    else:
        above = "".join(line + example.end for line in example.before)
        frame = pd.read_csv(
            io.StringIO(text.removeprefix(above), newline=""),
            sep=example.sep,
            dtype=str,
            keep_default_na=False,
            index_col=False,
            engine="c",  # no code in common with Python's csv
        )
    frame.columns = [str(name) for name in frame.columns]
    frame = frame[[any(str(cell).strip(ENDS) for cell in row) for row in frame.fillna("").values]]
    return [_row(record, example.names) for record in frame.fillna("").to_dict("records")]


def _row(record: dict[str, str], names: dict[str, str]) -> Row:
    texts = {m: unicodedata.normalize("NFC", record[c]).strip(ENDS) for m, c in names.items()}
    speaker = texts.get("speaker", "")
    start, end, duration = (_seconds(texts.get(m, "")) for m in ("start", "end", "duration"))
    if duration is not None:
        end = (start or 0.0) + duration
    return texts["path"], texts["label"], None if speaker in MISSING else speaker, start, end


def _seconds(text: str) -> float | None:
    if pd.isna(pd.to_timedelta(text or None, errors="coerce")) and text in (*MISSING, "NaT"):
        return None
    try:
        return float(text)
    except ValueError:
        return float(pd.Timedelta(text).total_seconds())


def by_table(file: Path, audio: Path, options: dict[str, str]) -> list[Row]:
    """The rows as ``table:`` reads them."""
    words = "".join(f",{name}={value}" for name, value in options.items())
    reference = resolve(TABLE, f"table:{file},audio={audio}{words}")
    found = TABLE.load(None, **reference.full)
    clips = [item for item in found if isinstance(item, Clip)]
    return [
        (c.path.relative_to(audio).as_posix(), str(c.label), c.speaker, c.start, c.end)
        for c in clips
    ]


def same(one: Sequence[Row], other: Sequence[Row]) -> bool:
    """Whether two readings agree; times to a nanosecond."""
    return len(one) == len(other) and all(
        a[:3] == b[:3] and _close(a[3], b[3]) and _close(a[4], b[4])
        for a, b in zip(one, other, strict=True)
    )


def _close(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and abs(a - b) < 1e-9)


def outcome(example: Example, folder: Path) -> tuple[str, str]:
    """What ``table:`` made of an example, and a sentence about it."""
    file = folder / "t.csv"
    file.write_bytes(example.content())
    try:
        read = by_table(file, folder / "audio", example.options)
    except NverbenchError as error:
        if len(str(error).splitlines()) != 1:
            return "silent difference", f"an error of several lines: {error!r}"
        return ("refused" if example.faulty else "refused, though right"), str(error)
    if example.faulty:
        return "silent difference", f"a fault was read: {read}"
    expected = by_pandas(example)
    if same(read, expected):
        return "same", ""
    return "silent difference", f"{read} instead of {expected}"


OUTCOMES = ("same", "refused", "refused, though right", "silent difference")


def fuzz(folder: Path, examples: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """Counts of outcomes by kind, and a sentence for each that is wrong."""
    for path in PATHS:
        (folder / "audio" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "audio" / path).write_bytes(b"RIFF")
    counts: dict[str, Counter[str]] = {}
    wrong = []
    for kind, make in KINDS.items():
        counts[kind] = Counter()
        for number in range(examples):
            example = make(random.Random(f"{SEED} {kind} {number}"))
            found, why = outcome(example, folder)
            counts[kind][found] += 1
            if found not in ("same", "refused"):
                wrong.append(f"{kind} {number}: {found}: {why[:300]}: {example.content()[:200]!r}")
    return counts, wrong


def main(examples: int) -> int:
    """Print the table; 1 if any reading is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong = fuzz(Path(folder), examples)
    print(f"| kind | {' | '.join(OUTCOMES)} |\n|---|{'---:|' * len(OUTCOMES)}")
    for kind, found in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        print(f"| {kind} | {' | '.join(str(found[name]) for name in OUTCOMES)} |")
    print("\n".join(wrong[:40]), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 120))
