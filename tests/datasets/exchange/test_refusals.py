"""What cannot be converted is refused in a sentence with file, demo and reason, and nothing is left behind."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.core.errors import DatasetError, InvalidConfig, UnknownName
from metasim.datasets import CollectConfig
from metasim.datasets.exchange import FORMATS, ExportOptions, ImportOptions, export_dataset, import_dataset


def spoil(number: int, act: Callable[[Any], None]) -> Callable[[Any], None]:
    """Do something to one demo."""
    return lambda demo: act(demo) if demo.name.endswith(f"_{number}") else None


def put(path: str, value: Any, row: Any = ...) -> Callable[[Any], None]:
    def act(demo: Any) -> None:
        demo[path][row] = value

    return act


def replaced(path: str, make: Callable[[Any], Any]) -> Callable[[Any], None]:
    def act(demo: Any) -> None:
        array = demo[path][()]
        del demo[path]
        demo[path] = make(array)

    return act


def without(*paths: str) -> Callable[[Any], None]:
    def act(demo: Any) -> None:
        for path in paths:
            del demo[path]

    return act


def linked(demo: Any) -> None:
    demo["obs/gone"] = h5py.SoftLink("/nowhere")


def compound(demo: Any) -> None:
    demo["odd"] = np.zeros(3, np.dtype([("a", "f4"), ("b", "i4")]))


def broken(demo: Any) -> None:
    """Compressed rows that are none."""
    dataset = demo.create_dataset("noise", data=np.arange(64.0), chunks=(64,), compression="gzip")
    dataset.id.write_direct_chunk((0,), b"no gzip at all")


def one_step(demo: Any) -> None:
    del demo["next_obs"]
    for path in ("actions", "rewards", "dones", "states", "obs/joints", "obs/width", "obs/eye"):
        replaced(path, lambda array: array[:1])(demo)
    demo.attrs["num_samples"] = 1


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (without("actions"), "has no actions; it holds"),
        (without("obs", "next_obs"), "has no observations"),
        (replaced("obs/joints", lambda a: a[:-1]), "observation 'joints' has 6 rows for 7 actions"),
        (replaced("next_obs/joints", lambda a: a[:, :3]), "next_obs/joints is (7, 3)"),
        (replaced("rewards", lambda a: a[:-1]), "'rewards' must have a number for each of 7 actions"),
        (replaced("actions", lambda a: a[:, 0].astype(int)), "actions must be (steps, size) numbers"),
        (replaced("actions", lambda a: a[:, :3]), "action_size is 3, in the first demo of robomimic/Lift it is 7"),
        (replaced("obs/width", lambda a: np.stack([a, a], axis=1)), "next_obs/width"),
        (without("obs/width", "next_obs/width"), "they cannot be one task"),
        (lambda demo: demo.attrs.update({"num_samples": 9}), "attribute num_samples is 9, actions have 7 rows"),
        (put("actions", np.nan, 2), "'actions' has NaN or infinity"),
        (put("rewards", np.inf, 2), "'rewards' has NaN or infinity"),
        (put("obs/joints", np.nan, 0), "'joints' has NaN or infinity; leave it out (--leave-out joints)"),
        (put("actions", 1.5, (3, 2)), "column 2 is 1.5 in row 3; --scale-actions"),
        (replaced("obs/width", lambda a: a.astype("S4")), "observation 'width' is no numbers"),
        (linked, "cannot be read: it is damaged"),
        (broken, "cannot be read: it is damaged"),
        (compound, "'odd' holds [('a', '<f4'), ('b', '<i4')], which cannot be kept; leave it out"),
        (one_step, "a demo of one step without next_obs"),
    ],
)
def test_a_demo_that_is_no_good(write: Callable, tmp_path: Path, act: Callable[[Any], None], message: str) -> None:
    path = write("robomimic", change=spoil(1, act))
    with pytest.raises(DatasetError) as caught:
        import_dataset(path, tmp_path / "out.h5")
    assert str(caught.value).startswith(f"{path}: demo_1")
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_left_out_is_left_out(write: Callable, tmp_path: Path) -> None:
    path = write("robomimic", change=lambda demo: (compound(demo), put("obs/joints", np.nan, 0)(demo)))
    options = ImportOptions(leave_out=("odd", "joints"))
    assert import_dataset(path, tmp_path / "out.h5", options=options).episodes == 3
    with h5py.File(tmp_path / "out.h5") as file:
        demo: Any = file["data/demo_0"]
        assert set(demo["obs"]) == {"width", "eye"} and "odd" not in demo["source"]
    with pytest.raises(DatasetError, match="nothing is called 'jonts' in its first demo, which has"):
        import_dataset(path, tmp_path / "b.h5", options=ImportOptions(leave_out=("jonts",)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.move("demo_1", "episode_1"), "/data holds 'episode_1'; demos must be named"),
        (lambda data: data.move("demo_1", "demo_00"), "each once"),
        (lambda data: [data.__delitem__(f"demo_{i}") for i in range(3)], "/data holds no demos"),
        (lambda data: data.parent.move("data", "observations"), "no group /data with demos.*it looks like D4RL's"),
        (lambda data: data.parent.move("data", "episode_0"), "it looks like Minari's, which is not read"),
        (lambda data: data.parent.move("data", "traj_0"), "it looks like ManiSkill's"),
        (lambda data: without("obs", "states")(data["demo_0"]), "is of no known layout, .*its first demo holds"),
        (lambda data: without("obs", "next_obs")(data["demo_0"]), "demo_1: observation is .*they cannot be one task"),
        (lambda data: data.parent.move("mask/valid", "mask/robomimic.Lift"), "is called like the task; give another"),
        (lambda data: data.pop("demo_2"), "mask 'train' lists demo_2, which is not there"),
        (lambda data: data.parent.create_dataset("mask/odd", data=[b"episode_3"]), "mask 'odd' must list names"),
    ],
)
def test_a_file_that_is_no_good(write: Callable, tmp_path: Path, change: Any, message: str) -> None:
    path = write("robomimic", data=change)
    with pytest.raises(DatasetError, match=message) as caught:
        import_dataset(path, tmp_path / "out.h5")
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_the_layout_must_be_the_one_that_is_named(write: Callable, tmp_path: Path) -> None:
    path = write("robomimic")
    for layout, sign in (("libero", "problem_info"), ("isaaclab", "initial_state"), ("robosuite", "no observations")):
        with pytest.raises(DatasetError, match=rf"is not of {layout}'s layout, .*{sign}.*it looks like robomimic"):
            import_dataset(path, tmp_path / "out.h5", layout)
    assert import_dataset(write("libero", "l.hdf5"), tmp_path / "l.h5", "robomimic").episodes == 3  # which it is, too
    for layout in ("minari", "rlds"):
        with pytest.raises(UnknownName, match="no layout to read named"):
            import_dataset(path, tmp_path / "out.h5", layout)


def test_files_that_are_not_whole(write: Callable, tmp_path: Path) -> None:
    path = write("robomimic")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"foreign.hdf5 cannot be read: truncated"):
        import_dataset(path, tmp_path / "out.h5")
    path.write_text("no HDF5 at all")
    with pytest.raises(DatasetError, match="no HDF5 file"):
        import_dataset(path, tmp_path / "out.h5")
    with pytest.raises(DatasetError, match="no dataset"):
        import_dataset(tmp_path / "absent.hdf5", tmp_path / "out.h5")


def test_what_stands_in_the_way(write: Callable, collected: CollectConfig, tmp_path: Path) -> None:
    path = write("robomimic")
    out = Path(shutil.copy(collected.out, tmp_path / "out.h5"))
    with pytest.raises(DatasetError, match=r"out.h5 exists and is something else: .*--force"):
        import_dataset(path, out)
    with pytest.raises(DatasetError, match="is the file to be converted"):
        import_dataset(path, path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatasetError, match="is a folder"):
        import_dataset(path, tmp_path / "folder")
    assert out.read_bytes() == collected.out.read_bytes()
    import_dataset(path, out, force=True)
    with h5py.File(out) as file:
        assert len(file["data"]) == 3 and "source" in file["data/demo_0"]  # type: ignore[arg-type,operator]


@pytest.mark.parametrize("format", [name for name, known in FORMATS.items() if known.export])
def test_a_damaged_dataset_of_ours_is_not_passed_on(copy: Path, tmp_path: Path, format: str) -> None:
    with h5py.File(copy, "r+") as file:
        demo: Any = file["data/demo_1"]
        replaced("rewards", lambda array: array[:-1])(demo)
    options = ExportOptions(python=Path("/usr/bin/env")) if format == "lerobot" else ExportOptions()
    with pytest.raises(DatasetError, match=rf"{copy}: demo_1: 'rewards' must be"):
        export_dataset(copy, format, tmp_path / "out", options)
    assert [path.name for path in tmp_path.iterdir()] == ["copy.h5"]


@pytest.mark.parametrize("format", ["robomimic", "d4rl"])
def test_a_changed_number_of_ours_is_not_passed_on(copy: Path, tmp_path: Path, format: str) -> None:
    with h5py.File(copy, "r+") as file:
        put("rewards", 0.5, 0)(file["data/demo_2"])
    with pytest.raises(DatasetError, match=r"demo_2: its content is not what its digest"):
        export_dataset(copy, format, tmp_path / "out.hdf5")
    assert [path.name for path in tmp_path.iterdir()] == ["copy.h5"]


def test_exports_do_not_overwrite(collected: CollectConfig, write: Callable, tmp_path: Path) -> None:
    out = tmp_path / "out.hdf5"
    out.write_text("mine")
    for format in ("robomimic", "d4rl"):
        with pytest.raises(DatasetError, match="is there already; give another name, or --force"):
            export_dataset(collected.out, format, out)
        with pytest.raises(DatasetError, match="is the file to be converted"):
            export_dataset(collected.out, format, collected.out, force=True)
    with pytest.raises(DatasetError, match="is a file; give a folder"):
        export_dataset(collected.out, "minari", out)
    assert out.read_text() == "mine"
    assert export_dataset(collected.out, "d4rl", out, force=True).episodes == 3
    (tmp_path / "folder").mkdir()
    for format in ("robomimic", "lerobot"):
        with pytest.raises(DatasetError, match="folder is there already; delete it"):
            export_dataset(collected.out, format, tmp_path / "folder", force=True)
    with pytest.raises(DatasetError, match="was not written by metasim"):
        export_dataset(write("robomimic"), "d4rl", tmp_path / "b.hdf5")


def test_options_that_mean_nothing() -> None:
    writing: list[Any] = [{"observations": "all"}, {"fps": 0}, {"name": "a b"}]
    reading: list[Any] = [{"seen": "during"}, {"control_hz": 0.0}, {"task": "../up"}]
    for kind, cases in ((ExportOptions, writing), (ImportOptions, reading)):
        for options in cases:
            with pytest.raises(InvalidConfig):
                kind(**options)


def test_formats_refuse_options_they_do_not_take(collected: CollectConfig, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"d4rl takes no \['fps', 'name'\]; it takes \['task'\]"):
        export_dataset(collected.out, "d4rl", tmp_path / "a", ExportOptions(fps=3, name="x"))
    with pytest.raises(UnknownName, match="did you mean"):
        export_dataset(collected.out, "robomimics", tmp_path / "a")
