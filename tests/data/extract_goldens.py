"""Makes metaworld_goldens.h5: what the tests need of trajectories recorded from the original Meta-World.

Usage: python tests/data/extract_goldens.py FOLDER_OF_GOLDENS

The recordings (metaworld 3.1.1 on mujoco 3.3.0) hold one file per task. Kept here are states, actions, observations,
V2 rewards and success of one scripted episode, at most MOST_STEPS steps of it, and of RANDOM_STEPS steps of random
actions; of all scripted episodes the random vectors and the goals.
"""

import sys
from pathlib import Path

import h5py

MOST_STEPS, RANDOM_STEPS = 160, 30
EPISODES = {"scripted/ep_000": MOST_STEPS, "random/ep_020": RANDOM_STEPS}
ROWS = ("qpos", "qvel", "mocap_pos", "mocap_quat", "obs")  # T + 1 of each
STEPS = ("action", "reward", "success")  # T of each
ATTRIBUTES = ("rand_vec", "_target_pos", "success_any_500", "first_success_step")


def main(folder: Path, out: Path) -> None:
    """Copy the chosen fields of the chosen episodes."""
    with h5py.File(out, "w") as target:
        for file in sorted(folder.glob("*-v3.h5")):
            with h5py.File(file) as source:
                task = target.create_group(file.stem.removesuffix("-v3"))
                scripted = [source["scripted"][name].attrs for name in sorted(source["scripted"])]
                task.attrs["rand_vecs"] = [attributes["rand_vec"] for attributes in scripted]
                task.attrs["targets"] = [attributes["_target_pos"] for attributes in scripted]
                for episode, steps in EPISODES.items():
                    group = task.create_group(episode)
                    for name in ATTRIBUTES:
                        group.attrs[name] = source[episode].attrs[name]
                    for field in (*ROWS, *STEPS):
                        data = source[episode][field][: steps + (field in ROWS)]
                        if field == "obs":  # the rest is the previous row and the goal; tests ask for 1e-5
                            data = data[:, :18].astype("float32")
                        group.create_dataset(field, data=data, compression="gzip", compression_opts=9, shuffle=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("metaworld_goldens.h5"))
