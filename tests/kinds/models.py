"""A server that speaks the API of chat completions over real HTTP: what it answers is scripted by the test."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Script:
    """`answers` are given in turn, the last again and again: texts, or (status, message), or ("slow", text)."""

    def __init__(self):
        self.answers, self.requests, self.refuses = ["hello"], [], ()
        self.lock = threading.Lock()

    def next(self, request):
        with self.lock:
            self.requests.append(request)
            for option in self.refuses:
                if option in request:
                    return 400, f"unknown option {option}"
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request["authorization"] = self.headers.get("Authorization")
        answer = self.server.script.next(request)
        if isinstance(answer, tuple) and isinstance(answer[0], int):
            body = json.dumps({"error": {"message": answer[1], "type": "x"}}).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        slow, text = (answer[0] == "slow", answer[1]) if isinstance(answer, tuple) else (False, answer)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        pieces = [text[i : i + 4] for i in range(0, len(text), 4)] or [""]
        for place, piece in enumerate(pieces):
            last = place == len(pieces) - 1
            choice = {"index": 0, "delta": {"content": piece}, "finish_reason": "stop" if last else None}
            self.event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
            if slow:
                time.sleep(0.2)
        if request.get("stream_options"):
            usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
            chunk = {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [],
                "usage": usage,
            }
            self.event(chunk)
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, chunk):
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()


@contextmanager
def endpoint():
    """Yield the address of a server and its script."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.script = Script()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", server.script
    finally:
        server.shutdown()
        server.server_close()
