"""nginx as what ends TLS in front of servers of objects, for tests."""

import os
import pathlib
import socket
import ssl
import subprocess
import time

START_TIME_S = 30
SBIN = ":/usr/sbin"  # where Debian has it, and ordinary users do not look

CONFIGURATION = """
daemon off;
master_process off;
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
{servers}
}}
"""
SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
      proxy_pass {url};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
    }}
  }}
"""


class TlsFront:
    """`servers`: for each name the certificate, its key, and the URL that is behind."""

    def __init__(self, folder, servers):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        # nginx cannot be given port 0: the kernel's choices are kept until all are known.
        held = {name: socket.create_server(("127.0.0.1", 0)) for name in servers}
        self.ports = {name: stream.getsockname()[1] for name, stream in held.items()}
        texts = [SERVER.format(port=self.ports[name], certificate=certificate, key=key, url=url)
                 for name, (certificate, key, url) in servers.items()]
        (self.folder / "nginx.conf").write_text(
            CONFIGURATION.format(folder=self.folder, servers="".join(texts)))
        for stream in held.values():
            stream.close()
        self.output = open(self.folder / "output", "wb")
        self.process = subprocess.Popen(["nginx", "-p", self.folder, "-c", "nginx.conf"],
                                        stdout=self.output, stderr=self.output,
                                        env=dict(os.environ, PATH=os.environ["PATH"] + SBIN))
        self.await_start()

    def await_start(self):
        until = time.monotonic() + START_TIME_S
        trusting = ssl._create_unverified_context()
        while True:
            try:
                port = next(iter(self.ports.values()))
                with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
                    trusting.wrap_socket(stream).close()
                return
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    said = (self.folder / "output").read_text(errors="replace")
                    raise RuntimeError(f"nginx did not start: {said}") from None
                time.sleep(0.05)

    def url(self, name, host="localhost"):
        return f"https://{host}:{self.ports[name]}"

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.output.close()
