"""Writes files of other projects with plain h5py, as their own scripts lay them out."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

GAIN = 0.1
PICTURE = (36, 40, 3)
"""Large enough for Minari to take it for a picture."""
LIBERO_TEXT = "put the bowl on the plate"
Array = Any


def arm(rng: np.random.Generator, steps: int) -> tuple[Array, Array]:
    """Joints before each action and at the end ``(n + 1, 7)``, and actions ``(n, 7)``."""
    actions = rng.uniform(-1, 1, (steps, 7)).astype(np.float32)
    q = np.zeros((steps + 1, 7))
    q[1:] = np.cumsum(GAIN * actions.astype(np.float64), axis=0)
    return q + rng.normal(size=7), actions


class Writer:
    """A file of one layout.

    Args:
        layout: One of the methods below.
        demos: Demos.
        steps: Actions of the first demo; each further one has one more.
        change: Called with each demo's group when it is written.
        data: Called with ``/data`` in the end.
    """

    def __init__(self, layout: str, *, demos: int = 3, steps: int = 6, change: Any = None, data: Any = None) -> None:
        self.layout, self.demos, self.steps, self.change, self.data = layout, demos, steps, change, data

    def write(self, path: Path) -> Path:
        """Write it."""
        first = 1 if self.layout == "robosuite" else 0
        with h5py.File(path, "w") as file:
            group = file.create_group("data")
            for i in range(first, first + self.demos):
                rng = np.random.default_rng(i)
                q, actions = arm(rng, self.steps + i)
                demo = group.create_group(f"demo_{i}")
                getattr(self, self.layout)(demo, q, actions, rng)
                if self.change is not None:
                    self.change(demo)
            getattr(self, f"{self.layout}_header")(group)
            if self.data is not None:
                self.data(group)
        return path

    def robomimic(self, demo: Any, q: Array, actions: Array, rng: np.random.Generator) -> None:
        steps = len(actions)
        pictures = rng.integers(0, 256, (steps + 1, 12, 10, 3), dtype=np.uint8)
        for name, rows in (("obs", slice(0, -1)), ("next_obs", slice(1, None))):
            demo[f"{name}/joints"] = q[rows]
            demo[f"{name}/width"] = q[rows, 0].astype(np.float32)
            demo[f"{name}/eye"] = pictures[rows]
        demo["actions"] = actions.astype(np.float64)
        demo["states"] = q[:-1]
        demo["rewards"] = (np.arange(steps) >= steps - 2).astype(np.float64)
        demo["dones"] = (np.arange(steps) >= steps - 2).astype(np.int64)
        demo.attrs.update({"num_samples": steps, "model_file": "<mujoco/>" * 9000})

    def robomimic_header(self, data: Any) -> None:
        kwargs = {"control_freq": 20, "robots": ["Panda"]}
        data.attrs.update({"env_args": json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": kwargs}), "total": 21})
        data.parent["mask/train"] = np.array([b"demo_0", b"demo_2"])
        data.parent["mask/valid"] = np.array(["demo_1"], dtype=h5py.string_dtype())

    def libero(self, demo: Any, q: Array, actions: Array, rng: np.random.Generator) -> None:
        """A row is seen after its action; states are those before it."""
        steps = len(actions)
        demo["obs/joint_states"] = q[1:]
        demo["obs/ee_pos"] = q[1:, :3]
        demo["obs/agentview_rgb"] = rng.integers(0, 256, (steps, 16, 16, 3), dtype=np.uint8)
        demo["robot_states"] = rng.normal(size=(steps, 9))
        demo["states"] = np.concatenate([np.arange(steps)[:, None], q[:-1], np.ones((steps, 4))], axis=1)
        demo["actions"] = actions.astype(np.float64)
        last = (np.arange(steps) == steps - 1).astype(np.uint8)
        demo["rewards"], demo["dones"] = last, last
        demo.attrs.update({"num_samples": steps, "model_file": "<mujoco/>", "init_state": demo["states"][0]})

    def libero_header(self, data: Any) -> None:
        env = {"type": 1, "env_name": "Libero", "problem_name": "x", "env_kwargs": {"control_freq": 20}}
        problem = {"problem_name": "x", "language_instruction": ["put", "the", "bowl", "on", "the", "plate"]}
        data.attrs.update({"env_args": json.dumps(env), "problem_info": json.dumps(problem), "num_demos": self.demos})
        data.attrs["bddl_file_name"] = "bddl_files/libero_goal/put_the_bowl_on_the_plate.bddl"
        data.attrs["bddl_file_content"] = "(define)"

    def isaaclab(self, demo: Any, q: Array, actions: Array, rng: np.random.Generator) -> None:
        packed = {"compression": "gzip"}
        demo.create_dataset("obs/policy/joint_pos", data=q[:-1].astype(np.float32), **packed)
        demo.create_dataset("obs/policy/actions", data=actions, **packed)
        demo.create_dataset("actions", data=actions, **packed)
        demo.create_dataset("processed_actions", data=2 * actions, **packed)
        demo.create_dataset("initial_state/articulation/robot/joint_position", data=q[:1], **packed)
        demo.attrs.update({"num_samples": len(actions), "seed": 7, "success": True})

    def isaaclab_header(self, data: Any) -> None:
        sim = {"dt": 0.01, "decimation": 2}
        data.attrs["env_args"] = json.dumps({"env_name": "Isaac-Lift-v0", "type": 2, "sim_args": sim})
        data.attrs["total"] = 21

    def robosuite(self, demo: Any, q: Array, actions: Array, rng: np.random.Generator) -> None:
        demo["states"], demo["actions"] = q[:-1], actions
        demo.attrs["model_file"] = "<mujoco/>"

    def robosuite_header(self, data: Any) -> None:
        data.attrs.update({"env": "PickPlace", "env_info": json.dumps({"control_freq": 20}), "date": "1-1-2026"})
