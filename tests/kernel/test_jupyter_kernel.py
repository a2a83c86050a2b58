"""The protocol tests that every Jupyter kernel is measured by."""

import os
import unittest

import jupyter_kernel_test
import pytest


@pytest.fixture(scope="class", autouse=True)
def own_places(tmp_path_factory):
    """Keep the suite out of the user's store, and the user's history out of the suite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_CACHE_STORE", str(tmp_path_factory.mktemp("store")))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield


class TestStrataKernel(jupyter_kernel_test.KernelTests):
    kernel_name = os.environ.get("LAWS_KERNEL", "strata")
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [
        {"text": "zi", "matches": {"zip"}},
    ]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n", "%matplotlib inline"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('boom')"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
        {"code": "'a'", "result": "'a'"},
    ]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))", "mime": "text/latex"},
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    def test_served_cells_answer_the_same(self):
        """What the suite asks of a first run holds of a second one, which the cache may serve."""
        for _ in range(2):
            self.flush_channels()
            reply, outputs = self.execute_helper(code="print('again'); 6 * 7")
            assert reply["content"]["status"] == "ok"
            streams = "".join(m["content"]["text"] for m in outputs if m["msg_type"] == "stream")
            results = [m["content"]["data"]["text/plain"] for m in outputs if m["msg_type"] == "execute_result"]
            assert streams == "again\n"
            assert results == ["42"]
            counts = [m["content"]["execution_count"] for m in outputs if m["msg_type"] == "execute_result"]
            assert counts == [reply["content"]["execution_count"]]


if __name__ == "__main__":
    unittest.main()
