"""What the site has besides the pages of docs/: navigation, project pages, and the reference, a page for each module.

The order of pages is that of the lists in docs/README.md. Links of a page to a file outside docs/ become links to that
file's page where it has one (the documents at the root, modules), and its name otherwise.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("tasks", "datasets", "policies", "benchmarks")  # imported as metasim.tasks, ...; see setup.py
PROJECT = {  # documents elsewhere in the repository, and their places on the site
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "THIRD_PARTY_NOTICES.md": "project/notices.md",
    "examples/metasim-example-plugin/README.md": "project/example_plugin.md",
}
ENTRY = re.compile(r"^- \[[^\]]+\]\(([^)]+\.md)\)", re.MULTILINE)
LINK = re.compile(r"^```.*?^```|`[^`\n]*`|\[([^\]]*)\]\(([^)\s]*)\)", re.MULTILINE | re.DOTALL)  # or code


@event_priority(100)
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Show the reference all packages in one tree, and make the navigation."""
    tree = _tree()
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(tree)]
    config["reference"] = _modules(tree)
    config.nav = [
        {"Home": "README.md"},
        *_sections((ROOT / "docs" / "README.md").read_text()),
        {"Reference": _branch("metasim", config["reference"])},
        {"Project": list(PROJECT.values())},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents outside docs/ and the pages of the reference."""
    for source, place in PROJECT.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for name, module in config["reference"].items():
        files.append(File.generated(config, _place(name, module), content=_page(name, module, config["reference"])))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mend links that lead out of docs/, and list the packages on the landing page."""
    place = page.file.src_uri
    if place.startswith("reference/"):
        return markdown
    home = {there: here for here, there in PROJECT.items()}.get(place, f"docs/{place}")
    markdown = LINK.sub(lambda found: _mended(found, home, place, config["reference"]), markdown)
    return markdown.replace("<!-- reference -->", _packages(config["reference"]))


def _mended(found: re.Match[str], home: str, place: str, modules: dict[str, Any]) -> str:
    """Return a link of the repository's file ``home`` as its page at ``place`` must have it."""
    text, link = found.groups()
    if not link or re.match(r"[a-z]+:|#", link):
        return found[0]
    path, mark, anchor = link.partition("#")
    target = os.path.normpath(os.path.join(os.path.dirname(home), path))
    module = _module_at(target)
    if not (ROOT / target).exists():
        raise PluginError(f"{home} links to {path}, which is not there")
    if target in PROJECT:
        target = PROJECT[target]
    elif target == "docs":
        target = "README.md"
    elif module in modules:
        target = _place(module, modules[module])
    elif target.startswith("docs/"):
        target = target.removeprefix("docs/")
    else:
        return f"`{target}`" if text.strip("`") in target else f"{text} (`{target}`)"
    return f"[{text}]({os.path.relpath(target, os.path.dirname(place) or '.')}{mark}{anchor})"


def _sections(text: str) -> list[Any]:
    """Return the navigation that the headings and lists of the landing page say."""
    parts = (part.partition("\n") for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:])
    return [{title: ENTRY.findall(body)} for title, _, body in parts if ENTRY.search(body)]


def _tree() -> Path:
    """Return a folder with copies of all packages where they are imported from, removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="metasim-site-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(ROOT / "metasim", folder / "metasim", ignore=_other_files)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / "metasim" / name, ignore=_other_files)
    return folder


def _other_files(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".py") and not (Path(folder) / name / "__init__.py").exists()]


def _modules(tree: Path) -> dict[str, Any]:
    """Return the public modules by name, in order: what griffe read of them, nothing imported."""
    extensions = griffe.load_extensions(str(ROOT / "docs" / "_site" / "roles.py"))
    package = griffe.load("metasim", search_paths=[str(tree)], try_relative_path=False, extensions=extensions)
    found: dict[str, Any] = {}

    def visit(module: Any) -> None:
        found[module.path] = module
        for _, inner in sorted(module.modules.items()):
            if _listed(inner):
                visit(inner)

    visit(package)
    return found


def _place(name: str, module: Any) -> str:
    return f"reference/{name}/index.md" if module.is_init_module else f"reference/{name}.md"


def _module_at(path: str) -> str:
    """Return the module that a path of the repository is, if it is one."""
    name = path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    return f"metasim.{name}" if name.partition(".")[0] in FOLDERS else name


def _branch(name: str, modules: dict[str, Any]) -> list[Any]:
    """Return a package's part of the navigation: its page first, then what is in it."""
    rows: list[Any] = [_place(name, modules[name])]
    for other in modules:
        if other.rpartition(".")[0] == name:
            inner = _branch(other, modules) if modules[other].is_init_module else _place(other, modules[other])
            rows.append({other.rpartition(".")[2]: inner})
    return rows


def _page(name: str, module: Any, modules: dict[str, Any]) -> str:
    """Return a module's page: what it defines; what it exports, described where that is defined; its modules."""
    exports = _exports(module)
    own = [member for member in exports if _defined_in(module, member)]
    rows = [_export(member, module) for member in exports if module.exports and member not in own]
    place = os.path.dirname(_place(name, module))
    inner = [
        f"| [`{other.name}`]({os.path.relpath(_place(path, other), place)}) | {_summary(other)} |"
        for path, other in modules.items()
        if path.rpartition(".")[0] == name
    ]
    text = f"# `{name}`\n\n::: {name}\n    options:\n      members: {own}\n"
    return text + _table("Exported from elsewhere", "name", rows) + _table("Modules", "module", inner)


def _table(title: str, first: str, rows: list[str]) -> str:
    return f"\n## {title}\n\n| {first} | what |\n|---|---|\n" + "\n".join(rows) + "\n" if rows else ""


def _exports(module: Any) -> list[str]:
    """Return the names that ``__all__`` has, or those of documented members where there is none."""
    if module.exports is not None:
        return [str(member) for member in module.exports]
    return [name for name, item in module.members.items() if not item.is_alias and item.has_docstring]


def _defined_in(module: Any, member: str) -> bool:
    item = module.members.get(member)
    return item is not None and not item.is_alias and not item.is_module and not member.startswith("_")


def _export(member: str, module: Any) -> str:
    """Return a row about something that a module exports and another one defines."""
    try:
        target = module.members[member].final_target
    except (griffe.GriffeError, KeyError, AttributeError):
        return f"| `{member}` | |"
    described = target.name in _exports(target.module) and "._" not in target.path
    return f"| {f'[`{member}`][{target.path}]' if described else f'`{member}`'} | {_summary(target)} |"


def _listed(module: Any) -> bool:
    return not module.is_alias and not module.name.startswith("_") and module.has_docstring


def _packages(modules: dict[str, Any]) -> str:
    """Return the list of packages for the landing page."""
    rows = [(name, module) for name, module in modules.items() if name.count(".") == 1 and module.is_init_module]
    return "\n".join(f"- [`{name}`]({_place(name, module)}): {_summary(module)}" for name, module in rows)


def _summary(item: Any) -> str:
    """Return the first paragraph of a docstring in one line."""
    text = item.docstring.value.partition("\n\n")[0] if item.docstring else ""
    return " ".join(text.split()).replace("|", "\\|")
