"""Wrong use: each mistake has its own error, which names the nearest fix and breaks nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, near, raises, same
from metasim.conformance.scenes import model, opened
from metasim.conformance.trajectory import look
from metasim.core.backend import Backend, Start
from metasim.core.errors import InvalidConfig, InvalidState, NotReady, UndeclaredRead, UnknownName

Calls = Mapping[str, Callable[[Backend], object]]
ONE = np.array([0])

MEMBERS: Calls = {
    "info": lambda b: b.info,
    "state": lambda b: b.state,
    "targets": lambda b: b.targets,
    "failures": lambda b: b.failures,
    "step": lambda b: b.step(),
    "forward": lambda b: b.forward(),
    "reset": lambda b: b.reset(),
    "write": lambda b: b.write(Start()),
    "write_state": lambda b: b.write_state(np.zeros((1, 3)), np.zeros((1, 3))),
    "snapshot": lambda b: b.snapshot(),
    "restore": lambda b: b.restore(None),
    "dump": lambda b: b.dump(),
    "load_dump": lambda b: b.load_dump(np.zeros((1, 1))),
    "set_parameter": lambda b: b.set_parameter("mass", "along_x", np.ones(1)),
    "get_parameter": lambda b: b.get_parameter("mass", "along_x"),
    "apply_wrench": lambda b: b.apply_wrench("along_x", np.zeros(6)),
    "mass_matrix": lambda b: b.mass_matrix(),
    "jacobian": lambda b: b.jacobian("body", "along_x"),
    "render": lambda b: b.render("above"),
    "contact_force": lambda b: b.contact_force("along_x", "along_y"),
    "touching": lambda b: b.touching("along_x", "along_y"),
}
MISSPELT: Calls = {
    "joint": lambda b: b.write(Start(joints={"sholder": [[0.1]]})),
    "body": lambda b: b.write(Start(bodies={"uper": [[0, 0, 1.0]]})),
    "site": lambda b: b.write(Start(sites={"tipp": [[0, 0, 1.0]]})),
    "parameter": lambda b: b.set_parameter("masss", "upper", np.ones(1)),
    "parameter's body": lambda b: b.set_parameter("mass", "uper", np.ones(1)),
    "parameter's actuator": lambda b: b.get_parameter("gain", "elbow_moter"),
    "wrench's body": lambda b: b.apply_wrench("foree", np.zeros(6)),
    "Jacobian's site": lambda b: b.jacobian("site", "tipp"),
}
SUGGESTED = ("shoulder", "upper", "tip", "mass", "upper", "elbow_motor", "fore", "tip")
BROKEN: Calls = {
    "a joint of the wrong width": lambda b: b.write(Start(joints={"shoulder": np.zeros((1, 2))})),
    "a joint with too many rows": lambda b: b.write(Start(joints={"shoulder": np.zeros((3, 1))}), ONE),
    "NaN in a joint": lambda b: b.write(Start(joints={"shoulder": [0.1], "elbow": [np.nan]})),
    "infinity in a velocity": lambda b: b.write(Start(joints={"elbow": [0.1]}, velocities={"elbow": [np.inf]})),
    "a velocity without its position": lambda b: b.write(Start(velocities={"elbow": [0.1]})),
    "a body that moves on joints": lambda b: b.write(Start(joints={"elbow": [0.1]}, bodies={"fore": [0, 0, 1.0]})),
    "a body's pose of 5 numbers": lambda b: b.write(Start(joints={"elbow": [0.1]}, bodies={"upper": [0, 0, 1, 0, 0]})),
    "an unknown joint after a known one": lambda b: b.write(Start(joints={"elbow": [0.1], "elbo": [0.2]})),
    "qpos of the wrong width": lambda b: b.write_state(np.zeros((2, 3)), np.zeros((2, 2))),
    "NaN in qvel": lambda b: b.write_state(np.full((2, 2), 0.1), np.array([[0, 0], [0, np.nan]])),
    "a wrench of the wrong width": lambda b: b.apply_wrench("fore", np.zeros((2, 3))),
    "NaN in a wrench": lambda b: b.apply_wrench("fore", np.full(6, np.nan)),
    "a mass of zero": lambda b: b.set_parameter("mass", "fore", np.zeros(2)),
    "a negative friction": lambda b: b.set_parameter("friction", "fore", -np.ones(2)),
    "NaN in a parameter": lambda b: b.set_parameter("damping", "elbow", np.full(2, np.nan)),
    "too many parameter values": lambda b: b.set_parameter("mass", "fore", np.ones(3)),
    "a dump of the wrong width": lambda b: b.load_dump(np.zeros((2, 1))),
    "worlds out of range": lambda b: b.reset(np.array([2])),
    "negative worlds": lambda b: b.reset(np.array([-1])),
    "worlds twice": lambda b: b.write(Start(), np.array([0, 0])),
    "worlds out of order": lambda b: b.forward(np.array([1, 0])),
    "a snapshot of fewer worlds": lambda b: b.restore(b.snapshot(ONE), np.array([0, 1]), rows=ONE),
}


def not_ready(make: BackendFactory) -> list[Measurement]:
    """Before a model is loaded and after closing, every member says so; a model is loaded once."""
    measured = []
    early = make(1)
    for name, call in MEMBERS.items():
        why = "no model is loaded yet"
        measured.append(raises(f"{name} before load", NotReady, lambda call=call: call(early), why))
    early.load(model("rails"))
    measured.append(raises("load twice", NotReady, lambda: early.load(model("rails")), "one model for life"))
    early.close()
    early.close()
    for name, call in MEMBERS.items():
        measured.append(raises(f"{name} after close", NotReady, lambda call=call: call(early), "it is closed"))
    measured.append(raises("load after close", NotReady, lambda: early.load(model("rails")), "it is closed"))
    for count in (0, -1, 1.5):
        measured.append(raises(f"{count} worlds", InvalidConfig, lambda n=count: make(n), "at least one"))
    measured.append(raises("0 workers", InvalidConfig, lambda: make(1, workers=0), "at least one"))
    return measured


def unknown_names(make: BackendFactory) -> list[Measurement]:
    """A misspelt name is refused with the nearest that exists, an undeclared read with how to declare it."""
    with opened(make, "arm") as backend:
        measured = [
            raises(f"misspelt {name}", UnknownName, lambda call=call: call(backend), "did you mean", (hint,))
            for (name, call), hint in zip(MISSPELT.items(), SUGGESTED, strict=True)
        ]
        state = backend.state
        reads: dict[str, Callable[[], object]] = {
            "joint": lambda: state.joint("wrist"),
            "body": lambda: state.body("hand"),
            "site": lambda: state.site("goal"),
            "geom": lambda: state.geom("upper"),
            "contact": lambda: state.contact("upper", "fore"),
            "contact force": lambda: backend.contact_force("upper", "fore"),
            "touch": lambda: backend.touching("upper", "fore"),
            "field": lambda: state.field("xpos"),
        }
        for name, read in reads.items():
            measured.append(raises(f"undeclared {name}", UndeclaredRead, read, "never a silent zero", ("Reads",)))
        return measured


def refused_writes(make: BackendFactory) -> list[Measurement]:
    """What cannot be written is refused before anything is written."""
    with opened(make, "arm", 2) as backend:
        backend.write(Start(joints={"shoulder": [[0.3], [0.4]], "elbow": [[-0.2], [-0.1]]}))
        backend.step(3)
        measured = []
        for name, call in BROKEN.items():
            error = UnknownName if name.startswith("an unknown") else InvalidState
            before = look(backend.state)
            measured.append(raises(name, error, lambda call=call: call(backend), "says what was wrong"))
            measured.append(same(f"state after {name}", look(backend.state), before, "a refused write changes nothing"))
        masses = backend.get_parameter("mass", "fore")
        measured.append(near("mass after refusals", masses, [0.7, 0.7], 1e-12, "kg", "unchanged"))
        return measured


CHECKS = (not_ready, unknown_names, refused_writes)
