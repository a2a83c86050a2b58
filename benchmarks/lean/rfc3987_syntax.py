"""Stands in for a package whose import compiles a grammar for seconds in each process that imports jsonschema."""

raise ImportError("left out of the benchmarks: it would flatter every ratio against plain Jupyter")
