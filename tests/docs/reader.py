"""Someone who follows a page: saves what is to be saved, types what is to be typed, in a folder of their own."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from .pages import ROOT, BadPage, Block, commands
from .session import LIMIT_S, SLOW_LIMIT_S, BadBlock, Session, Worker

TYPED = {"metasim", "python", "timeout", "ls", "cat", "cmp", "cp", "mv", "rm"}
"""Programs that are run."""
NOT_TYPED = {"make", "pip", "git", ".ci/run", "pytest", "ssh"}
"""Programs that are recognised and not run: they install, build or test, or need another machine."""


class Reader:
    """Follows one page, block by block, each once.

    Args:
        blocks: Of a page.
        room: An empty folder.
        typist: Runs ``metasim`` commands.
    """

    def __init__(self, blocks: list[Block], room: Path, typist: Worker) -> None:
        self.blocks = blocks
        self.folder, tools = room / "reader", room / "tools"
        self.folder.mkdir(parents=True)
        tools.mkdir()
        self.session = Session(self.folder, tools, typist)
        self.printed = ""
        self._done: dict[int, BaseException | None] = {}

    def follow(self, last: Block) -> None:
        """Do what a block says, after all blocks above it; slow ones of these only before a slow one.

        Raises:
            BadBlock: If it, or one above, does not do what the page says.
            BadPage: If it cannot be understood.
        """
        for block in self.blocks[: self.blocks.index(last)]:
            if (block.has("slow") and not last.has("slow")) or block.has("skip") or missing(block):
                continue
            self._once(block)
            if self._done[block.line] is not None:
                raise BadBlock(f"{block.place}, above, failed")
        self._once(last)
        if error := self._done[last.line]:
            raise error

    def _once(self, block: Block) -> None:
        if block.line not in self._done:
            try:
                self._do(block)
                self._done[block.line] = None
            except (BadBlock, BadPage) as error:
                self._done[block.line] = error

    def _do(self, block: Block) -> None:
        limit_s = SLOW_LIMIT_S if block.has("slow") else LIMIT_S
        for rest in block.all("given"):
            source, _, name = rest.partition(" as ")
            if not (block.page.parent / source).exists():
                raise BadPage(f"{block.place}: there is no {source} beside the page to be given")
            self._given(block.page.parent / source, self.folder / (name or Path(source).name))
        for name in block.all("save"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(block.as_tested)
        if block.has("part"):
            _compare(block)
        elif block.kind == "console":
            self._type(block, limit_s)
        elif block.kind == "python" and not block.has("save"):
            self.printed = self.session.python(block, limit_s)
        elif block.has("output"):
            _look_for(block.text.splitlines(), self.printed, block)
        else:
            _parse(block)

    def _type(self, block: Block, limit_s: float) -> None:
        for command, shown in commands(block):
            words = shlex.split(command, comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                del words[0]
            program = words[0] if words else ""
            if project := self._project(words):
                self.session.install(project)
            elif program in TYPED:
                self.printed = self.session.shell(command, block, limit_s)
                if block.has("output"):
                    _look_for(shown, self.printed, block)
            elif program not in NOT_TYPED:
                raise BadPage(f"{block.place}: {program!r} is in none of the lists of tests/docs/reader.py")

    def _project(self, words: list[str]) -> Path | None:
        """Return which package, here or in the repository, a command installs from its folder."""
        if words[:2] != ["pip", "install"] or len(words) != 3:
            return None
        return next((p / words[2] for p in (self.folder, ROOT) if (p / words[2] / "pyproject.toml").is_file()), None)

    @staticmethod
    def _given(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)

    def close(self) -> None:
        """Go away."""
        self.session.close()


def missing(block: Block) -> list[str]:
    """Return which of the modules and programs that a block needs are not here."""
    names = [name for rest in block.all("needs") for name in rest.split(", ")]
    return [name for name in names if shutil.which(name) is None and importlib.util.find_spec(name) is None]


def _look_for(shown: list[str], printed: str, block: Block) -> None:
    """Find the lines that a page shows in what was printed, in that order, whatever the spaces between words."""
    rest = [" ".join(line.split()) for line in printed.splitlines()]
    for line in filter(None, (" ".join(line.split()) for line in shown)):
        pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
        hits = [i for i, candidate in enumerate(rest) if re.fullmatch(pattern, candidate)]
        if not hits:
            raise BadBlock(f"{block.place} shows\n{line}\nwhich was not printed, or not in this order:\n{printed}")
        del rest[: hits[0] + 1]


def _compare(block: Block) -> None:
    """Hold a block against the file that it shows a part of."""
    for rest in block.all("part"):
        file = block.page.parent / rest.removeprefix("of ")
        if not file.is_file():
            raise BadPage(f"{block.place}: there is no file {file}")
        if block.text.strip("\n") not in file.read_text():
            raise BadBlock(f"{block.place} is not a part of {file.name}:\n{block.text}")


def _parse(block: Block) -> None:
    """See that a block of a data format is of that format."""
    readers = {"toml": tomllib.loads, "json": json.loads, "xml": ElementTree.fromstring}
    try:
        readers.get(block.kind, str)(block.text)
    except (ValueError, ElementTree.ParseError) as error:
        raise BadBlock(f"{block.place} is no {block.kind}: {error}") from None
