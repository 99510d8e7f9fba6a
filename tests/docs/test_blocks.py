"""Every block of every document is followed by a reader, in the order of its page; ``pages`` says what marks mean."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from .pages import BadPage, Block, blocks, documents
from .reader import Reader, missing
from .session import BadBlock, Worker

PAGES: dict[Path, list[Block]] = {}
UNREADABLE: list[str] = []
for _page in documents():
    try:
        PAGES[_page] = blocks(_page)
    except BadPage as _error:
        UNREADABLE.append(str(_error))


class Room:
    """One reader at a time, since pages come one after another, and one typist for all."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders, self._typist = folders, Worker("typist.py")
        self._readers: dict[Path, Reader] = {}

    def reader(self, page: Path) -> Reader:
        """Return who reads a page."""
        if page not in self._readers:
            self.empty()
            self._readers[page] = Reader(PAGES[page], self._folders.mktemp("page"), self._typist)
        return self._readers[page]

    def empty(self) -> None:
        """Send the reader away."""
        while self._readers:
            self._readers.popitem()[1].close()

    def close(self) -> None:
        """Send everybody away."""
        self.empty()
        self._typist.close()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with closing(Room(tmp_path_factory)) as made:
        yield made


def test_every_page_can_be_read() -> None:
    assert UNREADABLE == []


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=block.place, marks=[pytest.mark.slow] if block.has("slow") else [])
        for page in PAGES.values()
        for block in page
    ],
)
def test_block(block: Block, room: Room) -> None:
    for reason in block.all("skip"):
        pytest.skip(reason)
    if lacking := missing(block):
        pytest.skip(f"not installed: {', '.join(lacking)}")
    said = ""
    try:
        room.reader(block.page).follow(block)
    except (BadBlock, BadPage) as error:
        said = str(error)
    if said:
        pytest.fail(said, pytrace=False)
