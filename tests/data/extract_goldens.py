"""Makes metaworld_goldens.h5: what the tests need of trajectories recorded from the original Meta-World.

Usage: python tests/data/extract_goldens.py FOLDER_OF_GOLDENS

The recordings (metaworld 3.1.1 on mujoco 3.3.0) hold one file per task; kept here are, for the ten tasks of MT10, two
scripted and one random episode with states, actions, observations, V2 rewards and success.
"""

import sys
from pathlib import Path

import h5py

TASKS = (
    "reach",
    "push",
    "pick-place",
    "door-open",
    "drawer-open",
    "drawer-close",
    "button-press-topdown",
    "peg-insert-side",
    "window-open",
    "window-close",
)
EPISODES = ("scripted/ep_000", "scripted/ep_001", "random/ep_020")
FIELDS = ("qpos", "qvel", "mocap_pos", "mocap_quat", "action", "obs", "reward", "success")
ATTRIBUTES = ("rand_vec", "_target_pos", "success_any_500", "first_success_step")


def main(folder: Path, out: Path) -> None:
    """Copy the chosen fields of the chosen episodes."""
    with h5py.File(out, "w") as target:
        for task in TASKS:
            with h5py.File(folder / f"{task}-v3.h5") as source:
                for episode in EPISODES:
                    group = target.create_group(f"{task}/{episode}")
                    for name in ATTRIBUTES:
                        group.attrs[name] = source[episode].attrs[name]
                    for field in FIELDS:
                        data = source[episode][field][:]
                        group.create_dataset(field, data=data, compression="gzip", compression_opts=9, shuffle=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("metaworld_goldens.h5"))
