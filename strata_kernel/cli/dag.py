"""`strata dag`: print the graph of a notebook's cells as JSON, for Graphviz, or for Mermaid."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from strata_kernel import runner
from strata_kernel.protocol import Graph, Node


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    parser.add_argument("--format", choices=("json", "dot", "mermaid"), default="json")


def execute(options: argparse.Namespace) -> int:
    """Print the graph."""
    print(FORMATS[options.format](runner.Runner().graph(options.notebook)))
    return 0


def as_json(graph: Graph) -> str:
    """Return the nodes, and every edge with the names that flow along it."""
    edges = [{"from": source, "to": target, "names": names} for source, target, names in _edges(graph)]
    return msgspec.json.format(msgspec.json.encode({"cells": graph.cells, "edges": edges}), indent=2).decode()


def as_dot(graph: Graph) -> str:
    """Return the graph in Graphviz' language."""
    lines = ["digraph strata {", "  node [shape=box];"]
    lines += [f"  {_quoted(node.id)} [label={_quoted(_label(node))}];" for node in graph.cells]
    lines += [f"  {_quoted(s)} -> {_quoted(t)} [label={_quoted(', '.join(names))}];" for s, t, names in _edges(graph)]
    return "\n".join([*lines, "}"])


def as_mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart; ids are numbered because Mermaid's are words."""
    numbers = {node.id: f"c{i}" for i, node in enumerate(graph.cells, 1)}
    lines = ["flowchart TD"]
    lines += [f'  {numbers[node.id]}["{_entities(_label(node))}"]' for node in graph.cells]
    for source, target, names in _edges(graph):
        arrow = f'-->|"{_entities(", ".join(names))}"|' if names else "-->"
        lines.append(f"  {numbers[source]} {arrow} {numbers[target]}")
    return "\n".join(lines)


FORMATS = {"json": as_json, "dot": as_dot, "mermaid": as_mermaid}


def _edges(graph: Graph) -> Iterator[tuple[str, str, list[str]]]:
    nodes = {node.id: node for node in graph.cells}
    for node in graph.cells:
        for source in node.upstream:
            if source in nodes:
                yield source, node.id, sorted(set(nodes[source].writes) & set(node.reads))


def _label(node: Node) -> str:
    return node.label or node.id


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _entities(text: str) -> str:
    for plain, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("\n", " ")):
        text = text.replace(plain, entity)
    return text
