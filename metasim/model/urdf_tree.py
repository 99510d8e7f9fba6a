"""A URDF file as a checked tree of links and joints; what cannot be a robot is refused by name."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from metasim.core.errors import InvalidModel, UnsupportedFeature, nearest

ONE_DOF = ("revolute", "continuous", "prismatic")
JOINT_TYPES = (*ONE_DOF, "fixed", "floating", "planar", "spherical")
WORLD = "world"  # a root link of this name stands for the world itself


@dataclass(frozen=True, kw_only=True)
class UrdfTree:
    """A parsed URDF whose links form one tree.

    Args:
        path: The file.
        robot: The root element.
        links: Link elements by name, in the file's order.
        joints: Joint elements by name, in the file's order.
        above: For each link but the root, the name of the joint that carries it.
        root: The root link's name.
        meshdir: Folder for meshes that the file names for MuJoCo's sake, relative to it; "" for none.
    """

    path: Path
    robot: ET.Element
    links: Mapping[str, ET.Element]
    joints: Mapping[str, ET.Element]
    above: Mapping[str, str]
    root: str
    meshdir: str = ""

    def elements(self) -> Iterator[tuple[str, str, ET.Element]]:
        """Yield kind, name and element of every material, link and joint."""
        yield from (("material", m.get("name", ""), m) for m in self.robot.findall("material"))
        yield from (("link", name, link) for name, link in self.links.items())
        yield from (("joint", name, joint) for name, joint in self.joints.items())

    def moved_joint(self, link: str) -> str | None:
        """Return the joint above a link if it can move, else None."""
        joint = self.above.get(link)
        return joint if joint is not None and self.joints[joint].get("type") != "fixed" else None

    def parent(self, joint: str) -> str:
        """Return the parent link's name of a joint."""
        return _end(self.path, joint, self.joints[joint], "parent")


def read_tree(path: str | Path) -> UrdfTree:
    """Parse a URDF file and check that it is one tree of known joints.

    Raises:
        InvalidModel: If it is missing, not XML, not a URDF, or its links and joints form no tree.
        UnsupportedFeature: If a mimic or a floating joint stands where no engine can have it.
    """
    path = Path(path)
    robot = _parse(path)
    links = _named(path, robot, "link")
    joints = _named(path, robot, "joint")
    if not links:
        raise InvalidModel(f"{path}: <robot> has no <link>; a robot needs at least one")
    above = _carriers(path, links, joints)
    root = _root(path, links, joints, above)
    compiler = robot.find("mujoco/compiler")
    meshdir = "" if compiler is None else compiler.get("meshdir", "")
    tree = UrdfTree(path=path, robot=robot, links=links, joints=joints, above=above, root=root, meshdir=meshdir)
    for name, joint in joints.items():
        _check_mimic(tree, name, joint)
        if joint.get("type") == "floating" and not tree.parent(name) == tree.root == WORLD:
            raise UnsupportedFeature(
                f"{path}: joint {name!r} is floating below link {tree.parent(name)!r}; only a root link may"
                " float: make its child the root and load with floating_base=True"
            )
    return tree


def _parse(path: Path) -> ET.Element:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidModel(f"{path}: cannot be read ({error.strerror}); check the path") from error
    data = data.strip(b"\0 \t\r\n")  # XML allows nothing before its declaration, nor NUL after the end
    data = re.sub(rb"\A(<\?xml[^>]*\?>\s*)+", lambda m: m[0][: m[0].index(b">") + 1], data)
    try:
        robot = ET.fromstring(data)
    except ET.ParseError as error:
        hint = "; expand it with xacro first" if b"<xacro:" in data else ""
        raise InvalidModel(f"{path}: not well-formed XML ({error}){hint}") from error
    if robot.tag != "robot":
        known = {"mujoco": "that is MJCF: load it as such", "sdf": "that is SDF: convert it to URDF"}
        raise InvalidModel(
            f"{path}: the root element is <{robot.tag}>, expected <robot>; {known.get(robot.tag, 'is it a URDF?')}"
        )
    macro = next(
        (e.tag for e in robot.iter() if isinstance(e.tag, str) and e.tag.startswith("{") and "xacro" in e.tag),
        None,
    )
    if macro:
        raise InvalidModel(f"{path}: it contains the macro <xacro:{macro.split('}')[1]}>; expand it with xacro first")
    return robot


def _named(path: Path, robot: ET.Element, tag: str) -> dict[str, ET.Element]:
    found: dict[str, ET.Element] = {}
    for index, element in enumerate(robot.findall(tag)):
        name = element.get("name")
        if not name:
            raise InvalidModel(f"{path}: <{tag}> number {index} has no name; give it one")
        if name in found:
            raise InvalidModel(f"{path}: two <{tag}> elements are named {name!r}; rename one")
        found[name] = element
    return found


def _end(path: Path, name: str, joint: ET.Element, tag: str) -> str:
    element = joint.find(tag)
    link = None if element is None else element.get("link")
    if not link:
        raise InvalidModel(f'{path}: joint {name!r} has no <{tag} link="...">; add it')
    return link


def _carriers(path: Path, links: Mapping[str, ET.Element], joints: Mapping[str, ET.Element]) -> dict[str, str]:
    above: dict[str, str] = {}
    for name, joint in joints.items():
        kind = joint.get("type")
        if kind not in JOINT_TYPES:
            raise InvalidModel(f"{path}: joint {name!r} has the type {kind!r}; {nearest(str(kind), JOINT_TYPES)}")
        parent, child = (_end(path, name, joint, tag) for tag in ("parent", "child"))
        for tag, link in (("parent", parent), ("child", child)):
            if link not in links:
                raise InvalidModel(
                    f"{path}: joint {name!r} has the {tag} link {link!r}, which is not there; {nearest(link, links)}"
                )
        if child in above:
            raise InvalidModel(
                f"{path}: link {child!r} hangs on two joints, {above[child]!r} and {name!r}; a URDF is a"
                " tree: remove one and close the loop with an equality constraint in the scene"
            )
        above[child] = name
    return above


def _root(
    path: Path, links: Mapping[str, ET.Element], joints: Mapping[str, ET.Element], above: Mapping[str, str]
) -> str:
    roots = [link for link in links if link not in above]
    if len(roots) > 1:
        raise InvalidModel(
            f"{path}: links {roots} have no parent, so there are {len(roots)} robots; join them with fixed joints"
        )
    below: dict[str, list[str]] = {link: [] for link in links}
    for child, joint in above.items():
        below[_end(path, joint, joints[joint], "parent")].append(child)
    reached, queue = set(roots), list(roots)
    while queue:
        queue += (children := below[queue.pop()])
        reached |= set(children)
    loop = [above[link] for link in links if link not in reached]
    if loop:
        raise InvalidModel(f"{path}: joints {loop} form a cycle; a URDF is a tree: remove one of them")
    if WORLD in links and roots != [WORLD]:
        raise InvalidModel(f"{path}: link {WORLD!r} is not the root; rename it, the name stands for the world")
    return roots[0]


def _check_mimic(tree: UrdfTree, name: str, joint: ET.Element) -> None:
    mimic = joint.find("mimic")
    if mimic is None:
        return
    leader = mimic.get("joint", "")
    if leader not in tree.joints:
        raise InvalidModel(
            f"{tree.path}: joint {name!r} mimics {leader!r}, which is not there; {nearest(leader, tree.joints)}"
        )
    for who in (name, leader):
        kind = tree.joints[who].get("type")
        if kind not in ONE_DOF:
            raise UnsupportedFeature(
                f"{tree.path}: joint {name!r} mimics {leader!r}, but {who!r} is {kind};"
                f" both must be one of {list(ONE_DOF)}"
            )
    seen = [name]
    while (follows := tree.joints[leader].find("mimic")) is not None:
        seen.append(leader)
        leader = follows.get("joint", "")
        if leader in seen or leader not in tree.joints:
            break
    if leader in seen:
        raise InvalidModel(f"{tree.path}: joints {seen} mimic one another in a circle; let one of them lead")
