"""A dataset under test: a small tree in a temporary folder, and what ``load`` yields for it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from nverbench.data import corpus as corpora
from nverbench.plugin.options import PartRef, declared, resolve
from nverbench.plugin.records import Clip, Dataset, Misfit, Note
from nverbench.testing.check import Pass, Skip, expecting, violation
from nverbench.testing.network import offline

Items = tuple[list[Clip], list[Misfit]]


@dataclass(frozen=True, eq=False)
class DatasetSubject:
    """A dataset under test: on the tree that its ``sample`` (else ``make``) writes, or on the files
    that the options of the reference name.
    """

    part: Dataset
    text: str = ""
    """A reference such as ``folder:PATH``; empty: the part with its defaults."""
    requests: list[str] = field(default_factory=list, init=False)
    """Addresses that the plugin tried to reach while it wrote or loaded; all were refused."""

    @cached_property
    def folder(self) -> Path:
        """The folder of its trees; it is deleted with the subject."""
        made = Path(tempfile.mkdtemp(prefix="nverbench-check-"))
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return made

    def __str__(self) -> str:
        return self.text or self.part.name

    @property
    def write(self) -> Callable[[Path], None] | None:
        """The function that writes the tree."""
        return self.part.sample or self.part.make

    @property
    def own(self) -> bool:
        """Whether the clips belong to the user (``folder``, ``table``): their licence is not known
        beforehand, and no sample represents them.
        """
        return self.part.corpus is None and bool(self.part.local)

    @cached_property
    def reference(self) -> PartRef:
        """The parsed reference."""
        return resolve(self.part, self.text or self.part.name)

    def why_untried(self) -> Skip | None:
        """Why there are no clips to check, if that is no fault."""
        if self.own and ":" not in self.text:
            needed = ", ".join(
                name for name, p in declared(self.part.load).items() if p.default is p.empty
            )
            return Skip(
                "its clips are its user's: check"
                f" {self.part.name}:{(self.part.positional or needed).upper()}"
            )
        if self.part.manifest is not None and self.write is None:
            return Skip(
                "it consists of exactly the files of its manifest: no sample can represent them"
            )
        return None

    def written(self, name: str) -> Path | None:
        """Writes the tree into a folder of that name; None if there is none, because the clips
        belong to the user or come with the plugin.
        """
        if self.own or (self.part.corpus is None and self.write is None):
            return None
        if self.write is None:
            do = "write a tiny synthetic tree of the corpus' layout in sample"
            raise violation(self, "sample(root), or make(root)", "neither", do)
        root = self.folder / name
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        with (
            expecting(self, "sample(root) to write a tree into an empty folder", "correct it"),
            offline(self.requests),
        ):
            self.write(root)
        return root

    def copied(self, name: str) -> Path | None:
        """A copy of the shared tree in a folder of that name; None as :meth:`written`."""
        root = self.folder / name
        return (
            None
            if self.root is None
            else Path(shutil.copytree(self.root, root, dirs_exist_ok=True))
        )

    @cached_property
    def root(self) -> Path | None:
        """The tree that all rules share and none may change."""
        return self.written("tree")

    @cached_property
    def items(self) -> Items:
        """Clips and misfits of the shared tree."""
        return self.load(self.root)

    def load(self, root: Path | None) -> Items:
        """Clips and misfits of a tree, loaded without a network."""
        clips: list[Clip] = []
        misfits: list[Misfit] = []
        with (
            expecting(
                self,
                "load(root) to give Clip, Misfit and Note records",
                "correct it, or raise DatasetError with a line that says what to do",
            ),
            offline(self.requests),
        ):
            for item in self.part.load(root, **self.reference.full):
                if isinstance(item, Clip):
                    clips.append(item)
                elif isinstance(item, Misfit):
                    misfits.append(item)
                elif not isinstance(item, Note):
                    expected = "Clip, Misfit and Note records from load"
                    raise violation(self, expected, type(item).__name__, "yield those alone")
        if not any(clip.label is not None for clip in clips):
            expected = "at least one labelled clip"
            do = "correct sample or load"
            raise violation(self, expected, f"{len(clips)} clips, {len(misfits)} misfits", do)
        return clips, misfits

    def corpus(self, root: Path | None) -> corpora.Corpus:
        """The corpus that the harness reads from a tree. A sample is not the published corpus, so
        counts and bytes are not compared.
        """
        return corpora.load(
            replace(self.part, manifest=None, counts={}, group_counts={}), self.reference, root
        )

    @property
    def scored(self) -> list[Clip]:
        """Labelled clips without known defects, sorted by id."""
        return sorted(
            (c for c in self.items[0] if c.label is not None and c.id not in self.part.defects),
            key=lambda c: c.id,
        )


def with_clips(
    run: Callable[[DatasetSubject], Pass | Skip],
) -> Callable[[DatasetSubject], Pass | Skip]:
    """The same check, skipped if there are no clips to check and that is no fault."""

    def checked(subject: DatasetSubject) -> Pass | Skip:
        return subject.why_untried() or run(subject)

    return checked
