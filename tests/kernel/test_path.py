"""A kernel that stands on packages outside of site-packages, as installations into a folder have them."""

import shutil
from pathlib import Path

import IPython


def test_what_the_kernel_stands_on_is_not_the_users_wherever_it_is(frontend, tmp_path):
    library = tmp_path / "library"
    shutil.copytree(Path(IPython.__file__).parent, library / "IPython")
    own = library / "own.py"
    own.write_text("def answer():\n    return 1\n")
    front = frontend(PYTHONPATH=str(library))
    assert front.value("__import__('IPython').__file__").startswith(f"'{library}")
    cells = {"a": "import own", "b": "x = own.answer()", "c": "print(x)"}
    front.document(**cells)
    for text in ("1\n", "22\n"):
        runs = {cell: front.run(source, cell) for cell, source in cells.items()}
        assert [run.error for run in runs.values()] == [None] * 3
        assert runs["c"].text() == text
        # Once it changes, all modules of the user's are read anew.
        own.write_text("def answer():\n    return 22\n")
