"""What the completer offers in directives, and that it keeps out of everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_kernel.domain.completion import complete
from strata_kernel.domain.directives import NAMES, parse

KNOWN = {"worker": {"gpu", "grid"}, "sql": {"shop"}, "after": {"load"}, "variant": {"model"}}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("# @wor", ["worker"]),
        ("#@loop", ["loop", "loop_until"]),
        ("# @worker ", ["local", "gpu", "grid"]),
        ("# @worker g", ["gpu", "grid"]),
        ("%%sql shop\n\n# about it\n# @cache f", ["frozen", "forever"]),
        ("# @after l", ["load"]),
        ("# @variant ", ["model"]),
        ("# @sql connection=s", ["connection=shop"]),
        ("# @loop max_iter=9 c", ["carry="]),
        ("# @mount data s3://bucket/x r", ["ro", "rw"]),
        ("# @mount d", []),
        ("# @nosuch ", []),
    ],
)
def test_offers(line, offered):
    found = complete(line + "\nx = 1", len(line), KNOWN)
    assert found is not None
    assert found[0] == offered


@pytest.mark.parametrize("source", ["x = 1\n# @wor", "x = '# @wor", "# worker", "x", "", "# a @b", "# @app.route"])
def test_leaves_what_is_no_directive_alone(source):
    assert complete(source, len(source), KNOWN) is None


def test_all_names_are_offered_at_the_start():
    assert complete("# @", 3, {}) == (list(NAMES), 3)


@given(st.text("# @wW\n\r%=x1", max_size=30), st.data())
def test_never_fails_and_completes_what_parses_as_directives(source, data):
    cursor = data.draw(st.integers(0, len(source)))
    found = complete(source, cursor, KNOWN)
    if found is not None:
        words, start = found
        assert 0 <= start <= cursor
        for word in words:
            head = source[:start] + word
            assert head.startswith(source[:cursor])
            assert parse(head).items or word in head
