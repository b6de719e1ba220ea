"""As much of S3 as reading one bucket takes, in this process."""

import http.server
import threading
import time


class SmallStore(http.server.ThreadingHTTPServer):
    """Answers while it `speaks`, `latency` seconds after it was asked. `asked` has the headers of
    all requests."""
    daemon_threads = True

    def __init__(self, objects, latency=0):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects, self.latency, self.asked = objects, latency, []
        self.speaks = threading.Event()
        self.speaks.set()
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return (f"s3://bucket?endpoint=http://127.0.0.1:{self.server_port}"
                "&credentials=anonymous")

    def handle_error(self, *_):
        """A client that went away is none."""

    def stop(self):
        self.speaks.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.headers)
        time.sleep(self.server.latency)
        self.server.speaks.wait()
        contents = self.server.objects.get(self.path.rsplit("/", 1)[1])
        if contents is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, last = 0, len(contents) - 1
        asked = self.headers.get("Range")
        if asked:
            first, end = asked.removeprefix("bytes=").split("-")
            first, last = int(first), min(int(end or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{len(contents)}"')
        self.send_header("Last-Modified", "Mon, 02 Feb 2026 02:02:02 GMT")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(contents)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(contents[first:last + 1])

    def log_message(self, *_):
        pass
