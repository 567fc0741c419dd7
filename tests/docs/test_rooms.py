"""The rooms of the package: which folder may import which, how large they are, and what the guide says of them."""

import ast
import re
import sys
from pathlib import Path

import pytest

import meaniou

SOURCE = Path(meaniou.__file__).parent
GUIDE = SOURCE.parents[1] / ".github" / "CONTRIBUTING.md"
ROOT = "__init__"  # the package itself

# A room imports those above it. Each is a folder, or a module that stands alone.
ROOMS = [
    "_util",
    "settings",
    "protocols",
    "counting",
    "scores",
    "uncertainty",
    "report",
    "plot",
    "distributed",
    "metrics",
    "functional",
    ROOT,
    "page",
    "synthetic",
    "masks",
    "cli",
    "__main__",
    "reference",
]
MODULES = sorted(SOURCE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES} - {SOURCE})
MOST_LINES = 300
NAMED_TUPLE = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}  # public, in spite of their form

# Private attributes of others that have no public name, with the reason.
PRIVATE = {
    "_util.warning: sys._getframe": "the cheapest way to the line of the caller, and documented by Python",
    "counting.contents: torch._subclasses": "PyTorch has no public name for its fake tensors",
    "metrics.state.update_count: metric._compiled_updates": "the slot is that of the module, on the metric",
}
# Variables should say what they hold.
EMPTY_NAMES = {"chosen", "drawn", "found", "given", "known", "listed", "told"}


def name_of(path: Path) -> str:
    """The dotted name of a module inside the package, such as ``counting.batch``; that of a folder is its own."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def imports(text: str) -> tuple[list[str], set[str]]:
    """Our modules that the text of a module imports from, such as ``counting.batch``, and the roots of all others."""
    ours, others = [], set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["meaniou" if node.level else "", node.module]))
            modules = [f"meaniou.{a.name}" for a in node.names] if module == "meaniou" else [module]
        else:
            continue
        for module in modules:
            root, _, inside = module.partition(".")
            if root == "meaniou":
                ours.append(inside if inside.partition(".")[0] in ROOMS else ROOT)
            else:
                others.add(root)
    return ours, others


def wrong_imports(name: str, text: str) -> list[str]:
    """Reasons why a module may not import what it imports."""
    room = name.partition(".")[0]
    ours, others = imports(text)
    if room not in ROOMS:
        return [f"{room} has no place among the rooms"]
    if room == "reference":
        foreign = [module for module in ours if module.partition(".")[0] != "reference"]
        return [f"reference imports {module}" for module in [*foreign, *(others - {"numpy"} - sys.stdlib_module_names)]]
    wrong = []
    for module in ours:
        target = module.partition(".")[0]
        if name.startswith("counting.kernels") and not module.startswith("counting.kernels"):
            wrong.append(f"{name} imports {module}, and a kernel imports nothing of ours but its neighbours")
        elif target == room:
            continue
        elif ROOMS.index(target) >= ROOMS.index(room) or target == "reference":
            wrong.append(f"{name} imports {module}, which is not above it")
        elif "." in module:
            wrong.append(f"{name} imports {module}, and other folders are reached through their __init__")
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_folder_imports_folders_above_it_alone(path: Path) -> None:
    assert wrong_imports(name_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("counting.confusion", "from meaniou.metrics import MeanIoU"),
        ("counting.confusion", "from meaniou import scores"),
        ("counting.confusion", "import meaniou.report"),
        ("counting.confusion", "import meaniou"),
        ("counting.confusion", "from meaniou.settings.label_space import LabelSpace"),
        ("settings.policy", "def f():\n    from ..counting import count"),
        ("metrics.mean_iou", "from meaniou import mean_iou"),
        ("metrics.mean_iou", "from meaniou import reference"),
        ("counting.kernels.cpu", "from meaniou.settings import LabelSpace"),
        ("counting.kernels.cpu.loops", "from meaniou.counting.confusion.batch import Views"),
        ("reference", "import torch"),
        ("reference", "from meaniou import settings"),
        ("helpers", "import torch"),
        ("helpers.text", "import torch"),
    ],
)
def test_a_wrong_import_is_noticed(module: str, text: str) -> None:
    assert wrong_imports(module, text)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("metrics.mean_iou", "import torch\nfrom meaniou import scores\nfrom meaniou.counting import count"),
        ("counting.confusion", "from meaniou.counting.kernels import portable"),
        ("counting.kernels.cpu", "from meaniou.counting.kernels import portable"),
        ("cli.commands", "from meaniou import __version__, masks"),
        ("reference", "import math\nimport numpy as np\nfrom numpy.typing import NDArray"),
    ],
)
def test_a_right_import_is_not(module: str, text: str) -> None:
    assert wrong_imports(module, text) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def private_attributes(text: str) -> set[str]:
    """Attributes ``x._name`` in a module that are neither of ``self`` or ``cls`` nor defined in the module."""
    tree, own, attributes = ast.parse(text), set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            own.add(node.target.id)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            of = ast.unparse(node.value)
            if of not in ("self", "cls", "super()") and node.attr not in NAMED_TUPLE:
                attributes.append((of, node.attr))
            elif isinstance(node.ctx, ast.Store):
                own.add(node.attr)
    return {f"{of}.{name}" for of, name in attributes if name not in own}


def test_nobody_reads_what_is_private_to_others() -> None:
    private = {f"{name_of(path)}: {x}" for path in MODULES for x in private_attributes(path.read_text("utf-8"))}
    assert private - PRIVATE.keys() == set()
    assert PRIVATE.keys() - private == set(), "reasons for what is no longer there"


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("metric._rows()", {"metric._rows"}),
        ("self.metric._rows", {"self.metric._rows"}),
        ("def f(x):\n    x._rows = 1", {"x._rows"}),
        ("self._rows = other._rows", set()),
        ("class A:\n    def _values(self): return other._values()", set()),
        ("super()._rows(); cls._made(); x.__name__", set()),
    ],
)
def test_what_is_private_is_noticed(text: str, private: set[str]) -> None:
    assert private_attributes(text) == private


def variables(text: str) -> set[str]:
    """The names of the variables and arguments of a module."""
    nodes = list(ast.walk(ast.parse(text)))
    return {n.id for n in nodes if isinstance(n, ast.Name)} | {n.arg for n in nodes if isinstance(n, ast.arg)}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_variables_say_what_they_hold(path: Path) -> None:
    empty = variables(path.read_text("utf-8")) & EMPTY_NAMES
    assert not empty, f"{sorted(empty)} say how a value came, not what it is; rename them"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_begins_with_a_sentence(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert re.match(r"[A-Z](?!.* -> )[^\n]*\.(\n|$)", text)


def test_a_variable_that_says_nothing_is_noticed() -> None:
    for text in ("found = 1", "def f(known): pass", "[told for told in x]", "for given, y in x: pass"):
        assert variables(text) & EMPTY_NAMES


def test_few_modules_stand_alone() -> None:
    assert len([path for path in MODULES if path.parent == SOURCE]) <= 12


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_has_two_to_eight_parts(folder: Path) -> None:
    parts = [part for part in folder.iterdir() if part in FOLDERS or (part.is_file() and part.stem != "__init__")]
    assert 2 <= len(parts) <= 8 or folder == SOURCE / "protocols" / "data"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_says_what_it_is(folder: Path) -> None:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert re.match(r"[A-Z][^\n]*\.(\n|$)", text)


def test_the_guide_has_the_rooms_in_their_order() -> None:
    section = GUIDE.read_text(encoding="utf-8").split("## Package layout")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert named == [room for room in ROOMS if not room.startswith("__")]
