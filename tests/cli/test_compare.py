"""``metasim compare``, and films in ``metasim report``."""

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from metasim.benchmarks import Filmstrip, save_media
from metasim.cli.compare import names


@pytest.fixture
def files(run, my_task) -> tuple[str, str, str]:
    """Three results files: two policies on the same seed, and one on another."""
    words = ("eval", *my_task, "--episodes", 4, "--horizon", 4)
    assert run(*words, "--policy", "random", "--out", "random.json").code == 0
    assert run(*words, "--policy", "zero", "--out", "zero.json").code == 0
    assert run(*words, "--policy", "zero", "--seed", 5, "--out", "other.json").code == 0
    return "random.json", "zero.json", "other.json"


def test_compare(run, files) -> None:
    first, second, other = files
    ran = run("compare", first, second)
    assert ran.code == 0
    assert "A is random, B is zero: success at any step, the same episodes one by one" in ran.err
    assert "lab/touch-v0" in ran.out and "all tasks" in ran.out

    (found,) = json.loads(run("compare", first, second, "--json", "--success", "last").out)["comparisons"]
    assert (found["a"], found["b"], found["success"], found["paired"]) == ("random", "zero", "last", True)
    assert [cell["a_episodes"] for cell in found["cells"]] == [4]

    refused = run("compare", first, second, other)
    assert refused.code == 2 and "has seeds [0] in random and [5] in other" in refused.err
    allowed = run("compare", first, second, other, "--unpaired", "--format", "csv")
    assert allowed.code == 0 and len(allowed.out.splitlines()) == 1 + 2 * 2

    assert run("compare", first, second, "--out", "table.tex").out == "table.tex\n"
    assert r"\toprule" in Path("table.tex").read_text()
    assert run("compare", first, second, "--out", "table.md", "--format", "json").code == 0
    assert json.loads(Path("table.md").read_text())["schema"] == "metasim.comparison/1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("random.json",), "holds one policy in one engine"),
        ((), "at least one results file"),
        (("random.json", "none.json"), "none.json"),
        (("random.json", "zero.json", "--format", "html"), "--format is one of table, markdown, latex, csv, json"),
        (("random.json", "zero.json", "--despite", "everything"), "nothing named 'everything' can be let differ"),
        (("random.json", "zero.json", "--resamples", "0"), "resamples must be at least 1"),
        (("random.json", "zero.json", "--policy", "zero"), "random holds no episode of policy 'zero'"),
    ],
)
def test_what_cannot_be_compared(run, files, words, said) -> None:
    ran = run("compare", *words)
    assert ran.code == 2 and said in ran.err


def test_files_are_called_by_as_little_of_their_names_as_tells_them_apart() -> None:
    assert names([Path("x/a.json"), Path("b.json")]) == ["a", "b"]
    assert names([Path("a.json"), Path("a.js")]) == ["a.json", "a.js"]
    assert names([Path("x/a.json"), Path("y/a.json")]) == ["x/a.json", "y/a.json"]


def test_report_with_films(run, files, my_task) -> None:
    """Unsolved episodes are run again and drawn; a folder's filmstrips are shown as well."""
    buffer = io.BytesIO()
    Image.new("RGB", (50, 20)).save(buffer, "PNG")
    save_media("films", [Filmstrip(task="lab/touch-v0", label="from elsewhere", image=buffer.getvalue())])
    words = ("report", files[1], "-o", "page.html", "--filmstrips", 1, "--media", "films", *my_task[1:])
    ran = run(*words)
    assert (ran.code, ran.out) == (0, "page.html\n")
    text = Path("page.html").read_text()
    images = re.findall(r'<img src="data:image/\w+;base64,([^"]+)"', text)
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in images]
    assert sizes[0] == (50, 20) and all(width % 168 == 0 and height == 126 for width, height in sizes[1:])
    failed = [e for e in json.loads(Path(files[1]).read_text())["episodes"] if not e["success_any"]]
    assert len(sizes) == 1 + min(1, len(failed)) == 2
    assert "metasim report zero.json -o page.html --filmstrips 1 --media films" in text
    assert run(*words, "--videos", -1).code == 2


def test_a_folder_without_media_is_refused(run, files) -> None:
    ran = run("report", files[0], "-o", "page.html", "--media", "nowhere")
    assert ran.code == 2 and "media.json: cannot be read" in ran.err
    assert not Path("page.html").exists()
