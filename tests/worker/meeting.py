"""Where cells meet: a cell on a worker says its name here, and goes on when it is told to."""

import socket
import threading

from strata_kernel.kernel.outputs import Recorder


class Meeting:
    """Cells wait until `let` tells, from the names that have come so far, that one may go on."""

    def __init__(self, let):
        self.let, self.names, self.gone = let, [], []
        self._waiting, self._lock = [], threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cell(self, name, then=""):
        """Return the source of a cell that binds its name, in the end."""
        return (
            f"import socket\nline_{name} = socket.create_connection(('127.0.0.1', {self.port}))\n"
            f"line_{name}.sendall(b'{name}')\n{name} = line_{name}.recv(9).decode()\ndel line_{name}\n{then}"
        )

    def wait(self, test, seconds=60):
        """Wait until something holds of it."""
        with self._lock:
            assert self._lock.wait_for(lambda: test(self), seconds), (self.names, self.gone)

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._greet, args=(line,), daemon=True).start()

    def _greet(self, line):
        name = line.recv(9).decode()
        with self._lock:
            self.names.append(name)
            self._waiting.append((name, line))
            for each in [w for w in self._waiting if self.let(w[0], self.names)]:
                self._waiting.remove(each)
                each[1].sendall(b"met")
            self._lock.notify_all()
        while _more(line):
            pass
        with self._lock:
            self._waiting = [w for w in self._waiting if w[1] is not line]
            self.gone.append(name)
            self._lock.notify_all()
        line.close()


def left(run):
    """What of a cell is to be seen in the end: what a run ahead of its turn showed in vain was taken back."""
    recorder = Recorder()
    for kind, content in run.outputs:
        recorder.add(kind, content)
    shown = [o["content"] for o in recorder.outputs]
    return "".join(c["text"] if "text" in c else c["data"]["text/plain"] + "\n" for c in shown if "ename" not in c)


def _more(line):
    try:
        return line.recv(9)
    except OSError:
        return b""
