"""The command as a whole: usage, exit codes, and what goes to which stream."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import metasim
from metasim.cli import entry
from metasim.cli.listing import List
from metasim.cli.options import expand_tasks, task_modules
from metasim.cli.output import stdout_kept
from metasim.core.errors import EngineFailure, InvalidConfig, UnknownName
from metasim.core.task_files import VARIABLE
from metasim.tasks.metaworld import MT10

HEAVY = {"mujoco", "pybullet", "gymnasium", "numpy", "scipy", "h5py", "tyro"}


def test_help_names_every_verb(run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert all(f"\n  {verb} " in ran.out for verb in entry.VERBS)


def test_no_verb_is_bad_usage(run) -> None:
    assert run().code == 2


def test_the_version_is_the_packages(run) -> None:
    assert run("--version").out == f"metasim {metasim.__version__}\n"


@pytest.mark.parametrize("verb", entry.VERBS)
def test_every_verb_explains_itself(run, verb: str) -> None:
    ran = run(verb, "--help")
    assert ran.code == 0
    assert f"usage: metasim {verb}" in ran.out


def test_an_unknown_verb_is_answered_with_the_nearest(run) -> None:
    ran = run("evaal")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: no verb named 'evaal'; did you mean ['eval']?")


def test_an_unknown_option_is_bad_usage(run) -> None:
    ran = run("eval", "MT10", "--bakend", "mujoco")
    assert ran.code == 2
    assert "--bakend" in ran.err and "--backend" in ran.err


@pytest.mark.parametrize("verb", ["render", "play", "eval", "collect"])
def test_an_unknown_task_is_one_line_with_the_nearest(run, verb: str) -> None:
    out = () if verb != "collect" else ("--out", "demos.h5")
    ran = run(verb, "metaworld/pick-plase-v3", *out)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: no task")
    assert "named 'metaworld/pick-plase-v3'; did you mean ['metaworld/pick-place-v3'" in ran.err
    assert ran.err.count("\n") == 1
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (InvalidConfig("no"), 2),
        (EngineFailure("no"), 1),
        (PermissionError(13, "no"), 2),
    ],
)
def test_each_end_has_its_exit_code(run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    def fail(_: List) -> int:
        raise error

    monkeypatch.setattr(List, "run", fail)
    ran = run("list")
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("error: ") and ran.err.count("\n") == 1


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from metasim.cli import main; code = main(['--help'])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr); sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(json.loads(ran.stderr.replace("'", '"'))) == set()


def test_a_verbs_help_imports_no_engine() -> None:
    code = (
        "import sys; from metasim.cli import main; main(['eval', '--help'])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (HEAVY - {"tyro", "numpy"}) & set(json.loads(ran.stderr.replace("'", '"'))) == set()


def test_it_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "metasim", "nothing"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and ran.stderr.startswith("error: ")


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    command = f"{sys.executable} -m metasim list robots | head -c 1; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "tasks"),
    [
        (["MT10"], MT10),
        (["mt10", "metaworld/reach-v3"], MT10),
        (
            ["metaworld/reach-v3", "MT10"],
            ("metaworld/reach-v3", *(t for t in MT10 if t != "metaworld/reach-v3")),
        ),
        (["metaworld/drawer-*"], ("metaworld/drawer-open-v3", "metaworld/drawer-close-v3")),
        (["metaworld/push-v3", "metaworld/push-v3"], ("metaworld/push-v3",)),
    ],
)
def test_words_that_mean_tasks(run, words: list[str], tasks: tuple[str, ...]) -> None:
    assert expand_tasks(words) == tasks


def test_words_that_mean_no_task(run) -> None:
    with pytest.raises(InvalidConfig, match="suites"):
        expand_tasks(["nosuite/*"])
    with pytest.raises(InvalidConfig, match="at least one"):
        expand_tasks([])
    with pytest.raises(UnknownName, match="reach"):
        expand_tasks(["metaworld/reech-v3"])


def test_task_modules_are_told_to_other_processes_for_the_time_being(run, my_task, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, "somewhere")
    with task_modules([my_task[2]]):
        assert os.environ[VARIABLE].split(os.pathsep) == ["somewhere", my_task[2]]
        assert "lab/touch-v0" in metasim.TASKS
    assert os.environ[VARIABLE] == "somewhere"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("x = 1\ny = 1 / 0\n", "line 2: ZeroDivisionError"),
        ("def broken(:\n", "SyntaxError"),
        ("from metasim import register\n@register('x')\nclass A: ...\n", "line 2: a task id is"),
    ],
)
def test_a_task_file_that_fails_says_where(run, text: str | None, words: str) -> None:
    if text is not None:
        Path("mine.py").write_text(text)
    ran = run("list", "--task-module", "mine.py")
    assert ran.code == 2
    assert "mine.py" in ran.err and words in ran.err and ran.err.count("\n") == 1


def test_what_a_library_prints_does_not_mix_with_results(capfd: pytest.CaptureFixture[str]) -> None:
    with stdout_kept():
        os.write(1, b"greetings\n")
    os.write(1, b"result\n")
    assert capfd.readouterr() == ("result\n", "greetings\n")
