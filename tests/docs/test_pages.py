"""What is wrong on a page does not go unnoticed: pages with one fault each, and what the reader says."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from .pages import BadPage, blocks
from .reader import NOT_TYPED, TYPED, Reader
from .session import BadBlock, Worker

Follow = Callable[[str], str]


@pytest.fixture(scope="module")
def typist() -> Iterator[Worker]:
    with closing(Worker("typist.py")) as made:
        yield made


@pytest.fixture
def follow(tmp_path: Path, typist: Worker) -> Iterator[Follow]:
    """Follow a page to its end and return what its last block printed; ~~~ stands for a fence."""
    readers: list[Reader] = []

    def to_the_end(text: str) -> str:
        page = tmp_path / f"page{len(readers)}.md"
        page.write_text(text.replace("~~~", "```"))
        reader = Reader(blocks(page), tmp_path / f"room{len(readers)}", typist)
        readers.append(reader)
        for block in reader.blocks:
            if not block.has("slow"):
                reader.follow(block)
        return reader.printed

    yield to_the_end
    for reader in readers:
        reader.close()


def test_blocks_share_a_session_and_a_folder(follow: Follow) -> None:
    page = """
~~~python
from pathlib import Path
Path("note.txt").write_text("seen")
x = 20
~~~
<!-- test: output -->
~~~console
$ cat note.txt
seen
~~~
<!-- test: with "22" for "1" -->
~~~python
if __name__ == "__main__":
    print("it is", x + 1)
~~~
<!-- test: output -->
~~~text
it ... 42
~~~
"""
    assert follow(page) == "it is 42\n"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("~~~python\n1 / 0\n~~~", r'(?s)page0.md", line 2.*1 / 0.*ZeroDivisionError'),
        ("~~~python\nraise SystemExit\n~~~", "SystemExit"),
        ("~~~python\nimport os; os._exit(0)\n~~~", "the process ended"),
        ("~~~console\n$ ls nowhere\n~~~", r"exit code 2, none of \[0\]"),
        ("<!-- test: exits 2 -->\n~~~console\n$ ls\n~~~", "exit code 0, none of"),
        (
            "<!-- test: output -->\n~~~console\n$ ls\nnote 99\n~~~",
            "note 99\nwhich was not printed",
        ),
        ("~~~console\n$ cat nothing\n~~~", "exit code 1"),
        ("~~~json\n{'a': 1}\n~~~", "is no json"),
        ("<!-- test: part of page0.md -->\n~~~python\nnowhere = 1\n~~~\n", "(?s)is not a part"),
    ],
)
def test_a_block_that_does_something_else_is_told(follow: Follow, page: str, said: str) -> None:
    if "part of" in page:
        page = page.replace("part of page0.md", "part of other.txt")
        with pytest.raises(BadPage, match="there is no file"):
            follow(page)
        return
    with pytest.raises(BadBlock, match=said):
        follow(page)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("~~~sh\nmetasim list\n~~~", "'sh' is not run"),
        ("~~~\n$ metasim list\n~~~", "'' is not run"),
        ("~~~console\nmetasim list\n~~~", "comes before the first command"),
        ("~~~console\n$ frobnicate\n~~~", "'frobnicate' is in none of the lists"),
        ("<!-- test: sow -->\n~~~python\n1\n~~~", "no mark is like 'sow'"),
        ("<!-- test: skip -->\n~~~python\n1\n~~~", "no mark is like 'skip'"),
        ("<!-- test: slow -->\nWords.\n\n~~~python\n1\n~~~", "right above its block"),
        ('<!-- test: with "3" for "2" -->\n~~~python\n1\n~~~', "'2', which is not in the block"),
    ],
)
def test_a_page_that_makes_no_sense_is_told(follow: Follow, page: str, said: str) -> None:
    with pytest.raises(BadPage, match=said):
        follow(page)


def test_what_follows_a_failure_says_so(tmp_path: Path, typist: Worker) -> None:
    page = tmp_path / "twice.md"
    page.write_text("```python\nx = y\n```\n```python\nx\n```\n")
    reader = Reader(blocks(page), tmp_path / "twice", typist)
    with pytest.raises(BadBlock, match="NameError"):
        reader.follow(reader.blocks[0])
    with pytest.raises(BadBlock, match="twice.md:1, above, failed"):
        reader.follow(reader.blocks[1])
    reader.close()


def test_slow_blocks_wait_for_slow_runs(tmp_path: Path, follow: Follow) -> None:
    page = "<!-- test: slow -->\n~~~python\nx = 1\n~~~\n~~~python\nassert 'x' not in globals()\n~~~\n"
    follow(page)


def test_no_program_is_both_typed_and_not() -> None:
    assert not TYPED & NOT_TYPED
