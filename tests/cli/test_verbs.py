"""Each verb does what it says, with tiny settings."""

import json
from pathlib import Path

import h5py
import pytest
from PIL import Image

from metasim.backends.mujoco import MujocoBackend
from metasim.benchmarks import load
from metasim.core.backend import BACKENDS
from metasim.core.state import State
from metasim.tasks.metaworld import MT10

REACH = "metaworld/reach-v3"


class Hasty(MujocoBackend):
    """An engine that makes twice as many steps as it is told to."""

    name = "hasty"

    def step(self, substeps: int = 1) -> State:
        """Step too far."""
        return super().step(2 * substeps)


@pytest.mark.parametrize(("what", "key", "some"), [
    ("tasks", "task", set(MT10)),
    ("backends", "backend", {"mujoco", "pybullet"}),
    ("robots", "robot", {"panda", "a1", "sawyer"}),
    ("protocols", "protocol", {"metasim/success-v1"}),
])  # fmt: skip
def test_list(run, what: str, key: str, some: set[str]) -> None:
    ran, read = run("list", what), run("list", what, "--json")
    assert (ran.code, read.code) == (0, 0)
    assert some <= {row[key] for row in json.loads(read.out)}
    assert all(name in ran.out for name in some)


def test_list_shows_a_users_task(run, my_task) -> None:
    rows = {row["task"]: row for row in json.loads(run("list", *my_task[1:], "--json").out)}
    assert rows["lab/touch-v0"] == {
        "task": "lab/touch-v0",
        "instruction": "touch the point with the flange",
        "horizon": 30,
        "expert": False,
        "varies": ["goal"],
        "camera": "",
    }


def test_render(run, my_task) -> None:
    ran = run("render", *my_task, "--size", 48, 32, "--out", "pictures/a.png")
    assert (ran.code, ran.out) == (0, "pictures/a.png\n")
    with Image.open("pictures/a.png") as picture:
        assert picture.size == (48, 32)


def test_render_draws_a_sheet_of_several_tasks(run) -> None:
    tasks = ("metaworld/reach-v3", "metaworld/push-v3", "metaworld/door-open-v3")
    ran = run("render", *tasks, "--size", 40, 30, "--columns", 2, "--out", "sheet.jpg")
    assert (ran.code, ran.out) == (0, "sheet.jpg\n")
    with Image.open("sheet.jpg") as sheet:
        assert sheet.format == "JPEG"
        assert sheet.width == 80 and 60 < sheet.height < 120


def test_render_refuses_what_is_no_picture(run, my_task) -> None:
    ran = run("render", *my_task, "--out", "a.mp4")
    assert ran.code == 2 and ".png" in ran.err
    ran = run("render", *my_task, "--columns", 0)
    assert ran.code == 2 and "columns" in ran.err


def test_play_says_in_the_file_name_how_it_went(run, my_task) -> None:
    options = ("--policy", "zero", "--gif", "--size", 32, 32, "--fps", 5, "--horizon", 8)
    ran = run("play", *my_task, *options, "--out", "videos")
    name = "lab-touch-v0_mujoco_zero_seed0_episode0"
    assert ran.code == 0
    assert ran.out in (f"videos/{name}_success.gif\n", f"videos/{name}_failure.gif\n")
    with Image.open(ran.out.strip()) as moving:
        assert moving.size == (32, 32)


def test_play_refuses_an_ending_it_cannot_write(run, my_task) -> None:
    ran = run("play", *my_task, "--policy", "zero", "--out", "a.avi")
    assert ran.code == 2 and ".mp4" in ran.err


def test_eval_and_report(run, my_task) -> None:
    words = (
        "eval",
        REACH,
        *my_task,
        "--policy",
        "random",
        "--episodes",
        2,
        "--horizon",
        5,
        "--out",
        "r/a.json",
    )
    ran, read = run(*words), run(*words, "--json")
    assert (ran.code, read.code) == (0, 0)
    assert "lab/touch-v0" in ran.out and ran.out.endswith("r/a.json\n")
    assert "is there already" in read.err
    tree = json.loads(read.out)
    assert [(row["task"], row["n"]) for row in tree["summary"]] == [("lab/touch-v0", 2), (REACH, 2)]
    before = Path("r/a.json").read_bytes()
    assert tree["episodes"] == json.loads(before)["episodes"]

    other = run(*words, "--seed", 1)
    assert other.code == 2 and "seeds: [0] instead of [1]" in other.err
    assert Path("r/a.json").read_bytes() == before

    page = run("report", "r/a.json", "-o", "page.html", "--title", "My arm", *my_task[1:])
    assert (page.code, page.out) == (0, "page.html\n")
    text = Path("page.html").read_text()
    assert "My arm" in text and "touch the point with the flange" in text and "reach the goal point" in text


def test_eval_without_an_expert_says_what_else_there_is(run, my_task) -> None:
    ran = run("eval", *my_task)
    assert ran.code == 2 and "'random'" in ran.err


def test_eval_in_several_processes_with_a_users_task(run, my_task) -> None:
    words = ("eval", *my_task, "--policy", "random", "--episodes", 2, "--horizon", 3)
    assert run(*words, "--workers", 2, "--out", "a.json").code == 0
    assert run(*words, "--out", "b.json").code == 0
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
    assert len(load("a.json").episodes) == 2


def test_report_of_nothing(run) -> None:
    assert run("report", "-o", "page.html").code == 2
    ran = run("report", "nothing.json", "-o", "page.html")
    assert ran.code == 2 and "nothing.json" in ran.err


def test_collect_inspect_merge_verify(run, my_task) -> None:
    words = ("collect", *my_task, "--policy", "random", "--keep", "all", "--episodes", 2, "--horizon", 6)
    assert run(*words, "--out", "a.h5").out == "a.h5\n"
    before = Path("a.h5").read_bytes()
    again = run(*words, "--out", "a.h5")
    assert again.code == 0 and "is there already" in again.err
    assert Path("a.h5").read_bytes() == before
    assert run(*words, "--out", "b.h5", "--seed", 1).code == 0

    assert run("merge", "a.h5", "b.h5", "-o", "both.h5").out == "both.h5\n"
    summary = json.loads(run("inspect", "both.h5", "--json").out)
    assert summary["episodes"] == 4 and summary["tasks"][0]["task"] == "lab/touch-v0"
    assert "4 episodes" in run("inspect", "both.h5").out

    good, read = run("verify", "both.h5"), run("verify", "both.h5", "--json")
    assert (good.code, read.code) == (0, 0)
    assert "4 of 4 episodes replayed bit by bit" in good.out
    assert json.loads(read.out)["ok"] is True

    with h5py.File("both.h5", "r+") as file:
        file["data/demo_2/actions"][1, 0] += 0.125  # type: ignore[index]
    bad = run("verify", "both.h5")
    assert bad.code == 1
    assert bad.out.startswith("NOT OK: 3 of 4") and "demo_2" in bad.err


def test_collecting_with_a_policy_that_fails_is_a_negative_verdict(run) -> None:
    ran = run("collect", REACH, "--policy", "zero", "--episodes", 1, "--horizon", 2, "--out", "a.h5")
    assert ran.code == 1 and "'zero' solved 0 of" in ran.err
    assert not Path("a.h5").exists()


@pytest.mark.parametrize("verb", ["verify", "inspect"])
def test_a_dataset_that_is_not_there(run, verb: str) -> None:
    ran = run(verb, "nothing.h5", "--json")
    assert (ran.code, ran.out) == (2, "") and "nothing.h5" in ran.err


def test_check_backend(run) -> None:
    ran, read = (
        run("check-backend", "mujoco", "--only", "free_fall"),
        run("check-backend", "mujoco", "--only", "free_fall", "--json"),
    )
    assert (ran.code, read.code) == (0, 0)
    assert "free_fall" in ran.out and "kept" in ran.out
    assert json.loads(read.out)["ok"] is True


def test_check_backend_finds_a_broken_one(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS._items, "hasty", Hasty)
    ran = run("check-backend", "hasty", "--only", "free_fall")
    assert ran.code == 1
    assert "BROKEN" in ran.out and "expected" in ran.err


def test_check_backend_of_an_unknown_engine(run) -> None:
    ran = run("check-backend", "mujoc")
    assert ran.code == 2 and "did you mean ['mujoco']" in ran.err


def test_compare_engines(run) -> None:
    ran = run("compare-engines", "mujoco", "--only", "free_fall", "--out", "docs/engines.md")
    assert (ran.code, ran.out) == (0, "docs/engines.md\n")
    page = Path("docs/engines.md").read_text()
    assert page.startswith("# Engines side by side") and "## free fall" in page and "| mujoco |" in page
