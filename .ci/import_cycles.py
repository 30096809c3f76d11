"""Fails where modules import each other in a circle, for types alone too, or packages inside one package do."""

import sys
from collections.abc import Callable, Iterable

import grimp

ROOT = "egoact"


def circles(nodes: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other (strongly connected components of two or more; Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in neighbours(node):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == number[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in nodes:
        if node not in number:
            visit(node)
    return found


def main() -> None:
    """Print every circle; the exit code says whether there is one."""
    sys.setrecursionlimit(10_000)
    graph = grimp.build_graph(ROOT, exclude_type_checking_imports=False)
    found = circles(sorted(graph.modules), graph.find_modules_directly_imported_by)
    for package in sorted(module for module in graph.modules if graph.find_children(module)):
        children = sorted(graph.find_children(package))
        imported = {
            child: {
                other
                for other in children
                if other != child and graph.direct_import_exists(importer=child, imported=other, as_packages=True)
            }
            for child in children
        }
        found += circles(children, lambda child, imported=imported: imported[child])  # type: ignore[misc]
    for circle in found:
        print("import circle: " + ", ".join(circle))
    print(f"{len(graph.modules)} modules, {len(found)} import circles")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
