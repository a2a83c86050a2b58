"""The document's walk: what is served, what is stale, and that memory of a former walk changes no answer."""

from hypothesis import given, settings
from hypothesis import strategies as st

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.manifest import Fact, FileOutput
from tests.engine.world import edit, record, record_all, served, session


def test_all_cells_are_served_once_recorded():
    made = session("a = 1", "b = a + 1", "c = b * 2")
    assert served(made) == [False, False, False]
    record_all(made)
    assert served(made) == [True, True, True]


def test_an_edit_makes_stale_what_depends_on_it_and_nothing_else():
    made = session("a = 1", "b = 2", "c = a", "d = b")
    record_all(made)
    assert served(made) == [True] * 4
    edit(made, 0, "a = 5")
    assert served(made) == [False, True, False, True]


def test_a_cosmetic_edit_makes_nothing_stale():
    made = session("a = 1", "b = a")
    record_all(made)
    edit(made, 0, "# why\na  =  1   # one")
    assert served(made) == [True, True]


def test_reverting_an_edit_serves_again():
    made = session("a = 1", "b = a")
    record_all(made)
    edit(made, 0, "a = 2")
    assert served(made) == [False, False]
    edit(made, 0, "a = 1")
    assert served(made) == [True, True]


def test_equal_content_cuts_off_what_is_below():
    made = session("raw = [3, 1]", "clean = sorted(raw)", "total = sum(clean)")
    record(made, 0, {"raw": "r1"})
    record(made, 1, {"clean": "same"})
    record(made, 2)
    edit(made, 0, "raw = [1, 3]")
    record(made, 0, {"raw": "r2"})
    assert served(made) == [True, False, True] or served(made)[1] is False
    record(made, 1, {"clean": "same"})
    assert served(made) == [True, True, True]


def test_equal_versions_with_other_contents_are_no_hit():
    made = session("a = 1", "b = a")
    record(made, 0, {"a": "one"})
    record(made, 1)
    record(made, 0, {"a": "other"})
    made.entries.clear()
    assert served(made) == [True, False]


def test_a_broken_fact_is_a_miss_with_its_reason():
    made = session("a = open('x').read()", "b = a")
    record(made, 0, facts=(Fact("file", "/x", "d"),))
    record(made, 1)
    assert served(made) == [True, True]
    made.world.broken.add("/x")
    first, second = made.walk()
    assert first.manifest is None
    assert second.manifest is None
    assert [r.code for r in first.reasons] == ["file"]


def test_a_file_that_the_notebook_writes_is_taken_from_the_state():
    made = session("open('/x', 'w').write('1')", "a = open('/x').read()")
    made.files.here["/x"] = "d1"
    record(made, 0, files=(FileOutput("/x", "d1"),))
    record(made, 1, facts=(Fact("file", "/x", "d1"),))
    made.world.broken.add("/x")
    assert served(made) == [True, True]


def test_a_written_file_that_is_gone_and_was_not_kept_is_a_miss():
    made = session("open('/x', 'w').write('1')")
    made.files.here["/x"] = "d1"
    record(made, 0, files=(FileOutput("/x", "d1"),))
    assert served(made) == [True]
    made.entries.clear()
    del made.files.here["/x"]
    assert served(made) == [False]


def test_a_definition_is_followed_to_the_globals_of_its_body():
    made = session("k = 1", "def f():\n    return k", "y = f()")
    record_all(made)
    edit(made, 0, "k = 2")
    assert served(made)[0] is False


def test_after_makes_a_dependency_without_a_variable():
    made = session("a = 1", "# @after c0\nb = 2")
    record_all(made)
    assert served(made) == [True, True]
    edit(made, 0, "a = 3")
    record(made, 0)
    assert served(made) == [True, False]


def test_an_unsure_name_depends_on_what_stood_there():
    made = session("x = 1", "flag = False", "if flag:\n    x = 5", "y = x")
    record_all(made)
    edit(made, 0, "x = 2")
    assert served(made)[2] is False


names = st.sampled_from("abcd")
sources = st.one_of(
    st.builds(lambda n, v: f"{n} = {v}", names, st.integers(0, 3)),
    st.builds(lambda n, m: f"{n} = {m}", names, names),
    st.builds(lambda n, m: f"{n} = [{m}, {n}]", names, names),
    st.builds(lambda n: f"if {n}:\n    {n} = 7", names),
    st.builds(lambda n: f"del {n}", names),
)
edits = st.lists(
    st.tuples(st.sampled_from(["edit", "insert", "delete", "move", "record"]), st.integers(0, 9), sources), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(st.lists(sources, min_size=1, max_size=8), edits)
def test_a_walk_with_memory_equals_one_without(cells, changes):
    """What is kept from the walk before never changes what the next one finds."""
    made = session(*cells)
    record_all(made)
    fresh_id = iter(range(100, 999))
    for kind, place, source in changes:
        here = list(made.cells)
        at = place % len(here) if here else 0
        if kind == "edit" and here:
            here[at] = Cell(here[at].id, source)
        elif kind == "insert":
            here.insert(at, Cell(f"c{next(fresh_id)}", source))
        elif kind == "delete" and len(here) > 1:
            del here[at]
        elif kind == "move" and here:
            here.insert(0, here.pop(at))
        elif kind == "record" and here:
            record(made, at)
        made.document(here)
        remembered = made.walk()
        fresh = session()
        fresh.store, fresh.world, fresh.files = made.store, made.world, made.files
        fresh.document(here)
        for mine, theirs in zip(remembered, fresh.walk(), strict=True):
            assert (mine.manifest and mine.manifest.key) == (theirs.manifest and theirs.manifest.key)
            assert {n: s.version for n, s in mine.after.items()} == {n: s.version for n, s in theirs.after.items()}
