"""Writes the README, the guides and the API as HTML pages: python -W error .ci/pages.py FOLDER

pdoc makes pages of modules alone, so each document becomes the docstring of a module for as long as this runs.
"""

import os
import re
import shutil
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pdoc

ROOT = Path(__file__).resolve().parents[1]
GUIDES = sorted((ROOT / "src/meaniou/guides").glob("*.md"))
PUBLIC = ("metrics", "report", "uncertainty", "settings", "plot", "page", "masks", "distributed", "reference")
API = ["meaniou", *(f"meaniou.{name}" for name in PUBLIC)]

# Each document, and the module whose page it becomes.
DOCUMENTS = {
    ROOT / "README.md": "guides",
    **{path: f"guides.{path.stem.replace('-', '_')}" for path in GUIDES},
    ROOT / ".github/CONTRIBUTING.md": "guides.contributing",
    ROOT / "CHANGELOG.md": "guides.changelog",
}


def page_of(module: str) -> str:
    """The path of a module's page inside the folder of pages."""
    return module.replace(".", "/") + ".html"


def with_links_to_pages(path: Path, folder: Path) -> str:
    """The text of a document, whose links lead to pages, or to copies of the files that they name."""
    here = Path(page_of(DOCUMENTS[path])).parent

    def replace(match: re.Match[str]) -> str:
        if re.match(r"\w+:", match[1]):
            return match[0]
        file, _, anchor = match[1].partition("#")
        anchor = re.sub("-+", "-", anchor).strip("-")  # as pdoc names headings; GitHub keeps each hyphen
        target = (path.parent / file).resolve() if file else path
        if target in DOCUMENTS:
            page = page_of(DOCUMENTS[target])
        else:
            page = f"files/{target.relative_to(ROOT)}"
            (folder / page).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, folder / page)
        return f"]({os.path.relpath(page, here)}{'#' * bool(anchor)}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", replace, path.read_text(encoding="utf-8"))


def write_modules(sources: Path, folder: Path) -> None:
    """Writes a package ``guides`` with a module for each document."""
    (sources / "guides").mkdir()
    for path, name in DOCUMENTS.items():
        text = with_links_to_pages(path, folder)
        file = sources / ("guides/__init__.py" if name == "guides" else page_of(name).replace(".html", ".py"))
        file.write_text(f"__docformat__ = 'markdown'\n__doc__ = {text!r}\n", encoding="utf-8")


def add_inherited_members(module: pdoc.doc.Module) -> None:
    """Shows the documented members that a class inherits from a base without a page, such as ``MeanIoU.compute``."""
    for member in module.own_members:
        if not isinstance(member, pdoc.doc.Class):
            continue
        own = {id(part) for part in member.own_members}
        inherited = [
            part
            for part in member.members.values()
            if id(part) not in own and part.docstring and part.taken_from[0].startswith("meaniou.")
        ]
        if inherited:  # among so many members those without a docstring would be in the way
            documented = [part for part in member.own_members if part.docstring or part.name == "__init__"]
            member.own_members = [*documented, *inherited]


def write_pages(folder: Path) -> None:
    """Writes all pages; those of documents show no source."""
    names = pdoc.extract.walk_specs(["guides", *API])
    modules = {name: pdoc.doc.Module.from_name(name) for name in names}
    for name, module in modules.items():
        add_inherited_members(module)
        api = name.partition(".")[0] == "meaniou"
        pdoc.render.configure(docformat="google", show_source=api, search=True)
        file = folder / page_of(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(pdoc.render.html_module(module, modules), encoding="utf-8")
    (folder / "search.js").write_text(pdoc.render.search_index(modules), encoding="utf-8")
    (folder / "index.html").write_text('<!doctype html><meta http-equiv="refresh" content="0; url=guides.html">\n')


class Links(HTMLParser):
    """The links of a page, and the names that a link can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.names = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.names.add(values.get("id") or "")
        self.links.add(values.get("href") or values.get("src") or "")


def dead_links(folder: Path) -> list[str]:
    """The links of documents that lead nowhere; those between members of the API are pdoc's."""
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    dead = []
    for path, page in pages.items():
        if not path.relative_to(folder).parts[0].startswith("guides"):
            continue
        for link in page.links:
            file, _, anchor = link.partition("#")
            target = (path.parent / unquote(file)).resolve() if file else path
            if re.match(r"\w+:", link):
                continue
            if not target.exists() or (target in pages and unquote(anchor) not in pages[target].names):
                dead.append(f"{path.relative_to(folder)}: {link}")
    return sorted(dead)


def main() -> None:
    """Writes the pages into the folder that the command line names, and fails if a link is dead."""
    if len(sys.argv) != 2 or not sys.argv[1] or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as sources:
        sys.path[:0] = [sources, str(ROOT / "src")]
        write_modules(Path(sources), folder)
        write_pages(folder)
    if dead := dead_links(folder):
        sys.exit("Dead links:\n" + "\n".join(dead))


if __name__ == "__main__":
    main()
