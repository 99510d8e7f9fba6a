"""What a scene is made of, as frozen data: no engine, no file access, no work when constructed.

Lengths are full extents in metres, never halves; quaternions wxyz; angles radians. A pose is of the object's own
frame in the world. ``metasim.model.compile_scene`` turns a scene into the canonical model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metasim.core.errors import InvalidConfig

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
Rgba = tuple[float, float, float, float]


def _positive(owner: object, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            raise InvalidConfig(f"{type(owner).__name__}.{name} must be positive, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Body:
    """What every object has, whatever its shape.

    Args:
        pos: Initial position ``(3,)`` [m], world.
        quat: Initial orientation, wxyz.
        fixed: Whether it stands still (no joint); a fixed body can still be placed at reset.
        mass_kg: Mass; with None the density decides.
        density: [kg/m^3], used when ``mass_kg`` is None.
        friction: Sliding, torsional [m] and rolling [m] friction coefficients.
        rgba: Colour.
        collides: Whether it takes part in contacts.
        stiff: Whether its contacts are stiff in MuJoCo too, where by default light fingers sink into what they hold by
            millimetres; for thin walls. Needs steps of 3 ms or less.
    """

    pos: Vec3 = (0.0, 0.0, 0.0)
    quat: Quat = (1.0, 0.0, 0.0, 0.0)
    fixed: bool = False
    mass_kg: float | None = None
    density: float = 1000.0
    friction: Vec3 = (1.0, 0.005, 0.0001)
    rgba: Rgba = (0.8, 0.4, 0.2, 1.0)
    collides: bool = True
    stiff: bool = False

    def __post_init__(self) -> None:
        """Check the numbers that every body shares."""
        _positive(self, mass_kg=self.mass_kg, density=self.density)


@dataclass(frozen=True, kw_only=True)
class Box(Body):
    """A box of full extents ``size_m`` along its axes."""

    size_m: Vec3

    def __post_init__(self) -> None:
        """Check the extents."""
        super().__post_init__()
        for value in self.size_m:
            _positive(self, size_m=value)


@dataclass(frozen=True, kw_only=True)
class Sphere(Body):
    """A sphere."""

    radius_m: float

    def __post_init__(self) -> None:
        """Check the radius."""
        super().__post_init__()
        _positive(self, radius_m=self.radius_m)


@dataclass(frozen=True, kw_only=True)
class Cylinder(Body):
    """A cylinder along its z axis; ``height_m`` is the full height."""

    radius_m: float
    height_m: float

    def __post_init__(self) -> None:
        """Check radius and height."""
        super().__post_init__()
        _positive(self, radius_m=self.radius_m, height_m=self.height_m)


@dataclass(frozen=True, kw_only=True)
class Capsule(Body):
    """A capsule along its z axis; ``length_m`` is the distance between the centres of its caps."""

    radius_m: float
    length_m: float

    def __post_init__(self) -> None:
        """Check radius and length."""
        super().__post_init__()
        _positive(self, radius_m=self.radius_m, length_m=self.length_m)


@dataclass(frozen=True, kw_only=True)
class Mesh(Body):
    """A mesh file of any format trimesh reads.

    Args:
        path: The file.
        scale: Factors along its axes.
        solid: What collides and is weighed: ``"hull"``, the convex hull; ``"parts"``, the hull of each object in the
            file; or ``"decomposed"``, convex pieces found by ``metasim.model.decompose`` (extra ``meshes``).
    """

    path: str | Path
    scale: Vec3 = (1.0, 1.0, 1.0)
    solid: str = "hull"

    def __post_init__(self) -> None:
        """Check the kind of solid."""
        super().__post_init__()
        if self.solid not in ("hull", "parts", "decomposed"):
            raise InvalidConfig(f"Mesh.solid must be 'hull', 'parts' or 'decomposed', got {self.solid!r}")


@dataclass(frozen=True, kw_only=True)
class Asset:
    """An articulated object or a whole scene from an MJCF or URDF file, told apart by its suffix or root element.

    Args:
        path: The file.
        pos: Position of its root ``(3,)`` [m], world.
        quat: Orientation of its root, wxyz.
        floating: Whether a free joint is added to its root.
    """

    path: str | Path
    pos: Vec3 = (0.0, 0.0, 0.0)
    quat: Quat = (1.0, 0.0, 0.0, 0.0)
    floating: bool = False


@dataclass(frozen=True, kw_only=True)
class Drive:
    """Actuators added to a robot's joints.

    Args:
        kind: ``"position"``, ``"velocity"`` or ``"effort"``.
        stiffness: Position gain [N/m or N m/rad]; position drives only.
        damping: Velocity gain [N s/m or N m s/rad]; position and velocity drives.
        effort_limit: Largest force or torque [N or N m]; None for the robot's own limits.
        joints: Names of the driven joints; empty for all of the robot's.
        armature: Inertia of motor and gear, felt at the joint [kg or kg m^2]; None for the file's. MuJoCo's contacts
            need some of it on light links with strong drives: they count on accelerations without a drive's damping.
    """

    kind: str = "position"
    stiffness: float = 0.0
    damping: float = 0.0
    effort_limit: float | None = None
    joints: tuple[str, ...] = ()
    armature: float | None = None

    def __post_init__(self) -> None:
        """Check the kind and the gains."""
        _positive(self, armature=self.armature)
        if self.kind not in ("position", "velocity", "effort"):
            raise InvalidConfig(f"Drive.kind must be 'position', 'velocity' or 'effort', got {self.kind!r}")
        if self.kind == "position" and not self.stiffness > 0:
            raise InvalidConfig("a position Drive needs stiffness > 0")
        if self.kind == "velocity" and not self.damping > 0:
            raise InvalidConfig("a velocity Drive needs damping > 0")


@dataclass(frozen=True, kw_only=True)
class Robot:
    """A robot of the scene: an entry of the robot table or a file of one's own.

    Args:
        model: Name in the robot table (``metasim list robots``), or an :class:`Asset`.
        drive: Actuators to add; None keeps those of the file.
        pos: Position of the base ``(3,)`` [m], world.
        quat: Orientation of the base, wxyz.
        home: Joint name to initial position [rad or m]; empty for the table's.
    """

    model: str | Asset
    drive: Drive | None = None
    pos: Vec3 = (0.0, 0.0, 0.0)
    quat: Quat = (1.0, 0.0, 0.0, 0.0)
    home: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A point to reach: a site without mass or contact, drawn as a sphere."""

    pos: Vec3 = (0.0, 0.0, 0.0)
    radius_m: float = 0.02
    rgba: Rgba = (0.1, 0.8, 0.2, 0.6)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera looking from ``pos`` at ``target`` (both world, metres); ``fov_rad`` is vertical."""

    pos: Vec3 = (1.2, 0.0, 0.8)
    target: Vec3 = (0.0, 0.0, 0.0)
    fov_rad: float = 0.785398

    def __post_init__(self) -> None:
        """Check that the camera looks somewhere."""
        if self.pos == self.target:
            raise InvalidConfig(f"Camera.pos and Camera.target are the same point {self.pos}")
        if not 0 < self.fov_rad < 3.1415:
            raise InvalidConfig(f"Camera.fov_rad must be in (0, pi), got {self.fov_rad!r}")


@dataclass(frozen=True, kw_only=True)
class Light:
    """A directional light at ``pos`` shining along ``direction`` (world)."""

    pos: Vec3 = (0.0, 0.0, 3.0)
    direction: Vec3 = (0.0, 0.0, -1.0)
    colour: Vec3 = (0.7, 0.7, 0.7)


@dataclass(frozen=True, kw_only=True)
class Weld:
    """A soft weld that pulls ``body`` to a mocap body.

    Args:
        mocap: The mocap body's name.
        body: The pulled body's name.
        relative_pos: Position of ``body`` in the mocap body's frame ``(3,)`` [m].
        relative_quat: Orientation of ``body`` in the mocap body's frame, wxyz.
        torque_scale: Weight of rotation against translation [m].
        time_constant_s: MuJoCo's solref[0].
        damping_ratio: MuJoCo's solref[1].
    """

    mocap: str
    body: str
    relative_pos: Vec3 = (0.0, 0.0, 0.0)
    relative_quat: Quat = (1.0, 0.0, 0.0, 0.0)
    torque_scale: float = 1.0
    time_constant_s: float = 0.02
    damping_ratio: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Physics:
    """Settings that override the base scene's; None keeps what the scene says (or the engine's default).

    Args:
        timestep_s: Physics step.
        gravity: World gravity ``(3,)`` [m/s^2].
        multiccd: Whether MuJoCo makes several contact points per pair of convex shapes.
    """

    timestep_s: float | None = None
    gravity: Vec3 | None = None
    multiccd: bool | None = None

    def __post_init__(self) -> None:
        """Check the step."""
        _positive(self, timestep_s=self.timestep_s)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that is compiled into one model.

    Args:
        base: A whole scene from a file, which the rest is added to; None for an empty world.
        ground: Whether a floor at z = 0 is added; None adds one when there is no base scene.
        robots: Name to robot; names of the robot's parts get the prefix ``name/`` when there are several robots
            or a base scene.
        robot: Shorthand for one robot from the table.
        objects: Name to object (primitive, mesh or asset).
        goals: Name to goal, or just the names.
        cameras: Name to camera.
        lights: Name to light.
        welds: Soft welds to mocap bodies; one between the same bodies in the base scene is replaced.
        physics: Overrides of the physics settings.
    """

    base: Asset | None = None
    ground: bool | None = None
    robot: str | Robot | None = None
    robots: Mapping[str, Robot] = field(default_factory=dict[str, Robot])
    objects: Mapping[str, Body | Asset] = field(default_factory=dict[str, Body | Asset])
    goals: Mapping[str, Goal] | tuple[str, ...] = ()
    cameras: Mapping[str, Camera] = field(default_factory=dict[str, Camera])
    lights: Mapping[str, Light] = field(default_factory=dict[str, Light])
    welds: tuple[Weld, ...] = ()
    physics: Physics = field(default_factory=Physics)

    @property
    def all_robots(self) -> dict[str, Robot]:
        """Return ``robots`` with the shorthand ``robot`` under the name ``"robot"``."""
        robots = dict(self.robots)
        if self.robot is not None:
            if "robot" in robots:
                raise InvalidConfig("Scene has both robot= and robots={'robot': ...}; use one of them")
            robots["robot"] = self.robot if isinstance(self.robot, Robot) else Robot(model=self.robot)
        return robots

    @property
    def all_goals(self) -> dict[str, Goal]:
        """Return the goals as a mapping, names alone becoming default goals."""
        if isinstance(self.goals, Mapping):
            return dict(self.goals)
        return {name: Goal() for name in self.goals}

    @property
    def has_ground(self) -> bool:
        """Whether a floor is added: as said, by default when there is no base scene."""
        return self.base is None if self.ground is None else self.ground
