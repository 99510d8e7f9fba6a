"""The code blocks of the documents, and what the comments above them say about running them.

A comment such as ``<!-- test: slow; needs torch -->`` right above a block is a mark; several stand in one comment
with semicolons between, or in several comments. The marks:

* ``slow``: runs with ``-m slow`` only, with all earlier blocks of the page.
* ``needs NAME, ...``: modules or programs without which the block is skipped.
* ``skip because REASON``: is not run at all.
* ``given FILE as NAME``: the reader has a copy of FILE (a file or folder beside the page); ``as NAME`` may lack.
* ``with "A" for "B"``: the test writes A in place of B, to be quicker or to use what is there.
* ``save NAME``: the block is the text of a file, which the reader saves.
* ``part of FILE``: the block shows a part of a file of the repository, word for word, and is not run.
* ``exits N or M``: the commands end with one of these codes, instead of 0.
* ``output``: what is shown (lines of a console block without ``$``, or a text block after what was run) was printed,
  in this order; ``...`` stands for anything.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
RUN = ("python", "console")
SHOWN = ("", "text", "xml", "toml", "json", "yaml", "csv")
MARK = re.compile(r"<!--\s*test:(.*?)-->", re.DOTALL)
FORMS = {
    "slow": r"",
    "needs": r"[\w.-]+(, [\w.-]+)*",
    "skip": r"because \S+( \S+)+",
    "given": r"\S+( as \S+)?",
    "with": r"""("[^"]*"|'[^']*') for ("[^"]+"|'[^']+')""",
    "save": r"[\w./-]+",
    "part": r"of \S+",
    "exits": r"\d+( or \d+)*",
    "output": r"",
}


class BadPage(Exception):
    """Something on a page that no test can make sense of; the message says where, and what to write instead."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: The document.
        line: Number of the line with the opening fence, from 1.
        kind: The word behind the fence.
        text: What is inside.
        marks: Word and rest of each mark, as ``("needs", "torch")``.
    """

    page: Path
    line: int
    kind: str
    text: str
    marks: tuple[tuple[str, str], ...] = ()

    @cached_property
    def place(self) -> str:
        """Page and line."""
        page = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page.name
        return f"{page}:{self.line}"

    def all(self, word: str) -> list[str]:
        """Return what stands behind a word in the marks."""
        return [rest for mark, rest in self.marks if mark == word]

    def has(self, word: str) -> bool:
        """Return whether there is such a mark."""
        return any(mark == word for mark, _ in self.marks)

    @cached_property
    def runs(self) -> bool:
        """Whether there is something to do for a reader of the page, rather than to look at."""
        return self.has("save") or (self.kind in RUN and not self.has("part"))

    @cached_property
    def as_tested(self) -> str:
        """The text with the replacements of the marks.

        Raises:
            BadPage: If something that is to be replaced is not there.
        """
        text = self.text
        for rest in self.all("with"):
            new, _, old = shlex.split(rest)
            if old not in text:
                raise BadPage(f"{self.place}: the mark replaces {old!r}, which is not in the block")
            text = text.replace(old, new)
        return text


def documents() -> list[Path]:
    """Return every document of the repository that may have blocks."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/*.md")])


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order.

    Raises:
        BadPage: For a language that is neither run nor shown, or a mark that means nothing.
    """
    found: list[Block] = []
    waiting: list[tuple[str, str]] = []
    for token in MarkdownIt("commonmark").parse(page.read_text()):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block" and "test:" in token.content:
            waiting += _marks(token.content, f"{page.name}:{line}")
        elif token.type == "fence":
            kind = token.info.split()[0] if token.info.strip() else ""
            block = Block(page=page, line=line, kind=kind, text=token.content, marks=tuple(waiting))
            if kind not in (*RUN, *SHOWN) or (kind in SHOWN and token.content.startswith("$ ")):
                raise BadPage(f"{block.place}: {kind!r} is not run: write python, or console with '$ ' before commands")
            found.append(block)
            waiting = []
        elif waiting and token.type != "html_block":
            raise BadPage(f"{page.name}:{line}: a mark stands right above its block, and this is something else")
    return found


def _marks(comments: str, place: str) -> list[tuple[str, str]]:
    """Return the marks in comments."""
    found: list[tuple[str, str]] = []
    for comment in MARK.findall(comments):
        for mark in comment.split(";"):
            word, _, rest = " ".join(mark.split()).partition(" ")
            if word not in FORMS or not re.fullmatch(FORMS[word], rest):
                raise BadPage(
                    f"{place}: no mark is like {' '.join(mark.split())!r}; see the head of tests/docs/pages.py"
                )
            found.append((word, rest))
    return found


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """Return the commands of a console block, each with the lines shown below it.

    Raises:
        BadPage: If it begins with something else.
    """
    found: list[tuple[str, list[str]]] = []
    goes_on = False
    for line in block.as_tested.splitlines():
        if goes_on:
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            raise BadPage(f"{block.place}: {line!r} comes before the first command, which begins with '$ '")
        goes_on = line.endswith("\\")
    return found
