"""A proxy between a client and a server of objects that does to answers what networks and busy
stores do to them. For tests: one fault at a time, to a share of all reads, or of all writes."""

import http.client
import http.server
import random
import socket
import struct
import threading
import time

STALL_S = 3
DRIP_PAUSE_S = 0.01
DRIP_PIECES = 20
HOP_HEADERS = {"connection", "transfer-encoding", "keep-alive"}


class Faults:
    """What a fault does to an answer. Each is given the handler and the server's answer."""

    @staticmethod
    def error_500(handler, _):
        handler.say(500, b"<Error><Code>InternalError</Code></Error>")

    @staticmethod
    def error_503(handler, _):
        handler.say(503, b"<Error><Code>SlowDown</Code></Error>")

    @staticmethod
    def error_503_retry_after(handler, _):
        handler.say(503, b"<Error><Code>ServerBusy</Code></Error>", [("Retry-After", "1")])

    @staticmethod
    def stall(handler, answer):
        time.sleep(STALL_S)
        handler.pass_on(answer)

    @staticmethod
    def reset_before_the_head(handler, _):
        handler.reset()

    @staticmethod
    def reset_in_the_body(handler, answer):
        handler.head(answer, len(answer.body))
        handler.wfile.write(answer.body[:len(answer.body) // 2])
        handler.wfile.flush()
        handler.reset()

    @staticmethod
    def short_body(handler, answer):
        """Ends early, and says that this was all."""
        handler.head(answer, len(answer.body) // 2)
        handler.wfile.write(answer.body[:len(answer.body) // 2])

    @staticmethod
    def wrong_etag(handler, answer):
        answer.headers = [(name, '"0123456789abcdef"' if name.lower() == "etag" else value)
                          for name, value in answer.headers]
        handler.pass_on(answer)

    @staticmethod
    def no_etag(handler, answer):
        answer.headers = [pair for pair in answer.headers if pair[0].lower() != "etag"]
        handler.pass_on(answer)

    @staticmethod
    def slow_drip(handler, answer):
        handler.head(answer, len(answer.body))
        step = len(answer.body) // DRIP_PIECES + 1
        for at in range(0, len(answer.body), step):
            handler.wfile.write(answer.body[at:at + step])
            handler.wfile.flush()
            time.sleep(DRIP_PAUSE_S)

    @staticmethod
    def html_page(handler, _):
        handler.say(200, b"<html><body>Please log in to the guest network</body></html>",
                    [("Content-Type", "text/html")])

    @staticmethod
    def refused_401(handler, _):
        handler.say(401, b"<Error><Code>ExpiredToken</Code></Error>")


KINDS = [name for name in vars(Faults) if not name.startswith("_")]
# These say nothing of the server's answer, so the server need not have been asked.
WITHOUT_AN_ANSWER = {"error_500", "error_503", "error_503_retry_after", "reset_before_the_head",
                     "html_page", "refused_401"}
WRITES = ("PUT", "POST", "DELETE")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_any(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        proxy = self.server
        fault, asks_first = proxy.draw(self.command)
        if not asks_first:
            getattr(Faults, fault)(self, None)
            return
        connection = http.client.HTTPConnection(*proxy.target, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True,
                                  skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body if size else None)
            answer = connection.getresponse()
            headers = [pair for pair in answer.getheaders() if pair[0].lower() not in HOP_HEADERS]
            whole = Answer(answer.status, headers, answer.read())
        finally:
            connection.close()
        if fault:
            getattr(Faults, fault)(self, whole)
        else:
            self.pass_on(whole)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_any

    def head(self, answer, size):
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        known = dict((name.lower(), value) for name, value in answer.headers)
        length = known.get("content-length", size) if self.command == "HEAD" else size
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def pass_on(self, answer):
        self.head(answer, len(answer.body))
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def say(self, status, body, headers=()):
        self.pass_on(Answer(status, list(headers), body))

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_):
        pass


class FaultProxy(http.server.ThreadingHTTPServer):
    """In front of `url`, at `self.url`."""
    daemon_threads = True

    def __init__(self, url, seed=1, host="127.0.0.1"):
        super().__init__((host, 0), Handler)
        target, port = url.removeprefix("http://").split(":")
        self.target = (target, int(port))
        self.url = f"http://{host}:{self.server_port}"
        self.lock = threading.Lock()
        self.chance = random.Random(seed)
        self.fault, self.share, self.methods = None, 0, ()
        self.struck, self.struck_in_all = 0, 0
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def inject(self, fault, share, methods=("GET",)):
        with self.lock:
            self.fault, self.share, self.methods, self.struck = fault, share, methods, 0

    def draw(self, method):
        """The fault that this request meets, or None, and whether the server is asked first: a
        write may have happened or not when its answer is lost."""
        with self.lock:
            if (self.fault is None or method not in self.methods
                    or self.chance.random() >= self.share):
                return None, True
            self.struck += 1
            self.struck_in_all += 1
            need_not = method in WRITES and self.fault in WITHOUT_AN_ANSWER
            return self.fault, not need_not or self.chance.random() < 0.5

    def handle_error(self, *_):
        """A client that went away is none."""

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()
