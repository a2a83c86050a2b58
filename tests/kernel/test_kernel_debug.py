"""A debugger in the kernel: it stops in cells that could be served, and shows names that were not loaded."""

import pytest

pytest.importorskip("debugpy")

CELLS = {"a": "xs = [1, 2]\nheld = {'k': xs}", "b": "def f(n):\n    m = n + 1\n    return m\ny = f(len(xs))"}


class Debugger:
    def __init__(self, front):
        self.front, self.number = front, 0
        self.ask(
            "initialize",
            clientID="test",
            clientName="test",
            adapterID="",
            pathFormat="path",
            linesStartAt1=True,
            columnsStartAt1=True,
            supportsVariableType=True,
            locale="en",
        )
        self.ask("attach")

    def ask(self, command, **arguments):
        self.number += 1
        content = {"type": "request", "seq": self.number, "command": command, "arguments": arguments}
        message = self.front.client.session.msg("debug_request", content)
        self.front.client.control_channel.send(message)
        return self.front._reply(self.front.client.get_control_msg, message)["content"]

    def stopped(self):
        """Wait until the code stops and return the thread."""
        while True:
            message = self.front.client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "debug_event" and message["content"].get("event") == "stopped":
                return message["content"]["body"]["threadId"]


@pytest.fixture
def front(frontend):
    made = frontend()
    made.document(**CELLS)
    for cell, source in CELLS.items():
        made.run(source, cell)
    made.restart()
    made.document(**CELLS)
    assert [made.run(source, cell).status for cell, source in CELLS.items()] == ["hit", "hit"]
    return made


def test_names_that_are_not_loaded_are_shown(front):
    debugger = Debugger(front)
    found = debugger.ask("inspectVariables")["body"]["variables"]
    assert {"xs", "held", "y"} <= {v["name"] for v in found}


def test_breakpoints_in_cells_that_could_be_served(front):
    debugger = Debugger(front)
    path = debugger.ask("dumpCell", code=CELLS["b"])["body"]["sourcePath"]
    assert debugger.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 2}])["success"]
    debugger.ask("configurationDone")
    message = front.send(CELLS["b"], "b")
    thread = debugger.stopped()
    frames = debugger.ask("stackTrace", threadId=thread)["body"]["stackFrames"]
    assert (frames[0]["name"], frames[0]["line"]) == ("f", 2)
    scope = debugger.ask("scopes", frameId=frames[0]["id"])["body"]["scopes"][0]["variablesReference"]
    variables = debugger.ask("variables", variablesReference=scope)["body"]["variables"]
    assert ("n", "2") in {(v["name"], v["value"]) for v in variables}
    debugger.ask("continue", threadId=thread)
    assert front.finish(message).status == "ran"
    debugger.ask("disconnect", restart=False, terminateDebuggee=False)
    assert front.run(CELLS["b"], "b").status == "hit"
    assert front.value("y") == "3"
