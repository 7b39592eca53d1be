"""nginx and HAProxy in front of one destination, as simply as their manuals would have it."""

import pathlib
import shutil
import tempfile

from harness.process import Process
from harness.raw import fetch
from harness.waiting import free_port, until

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream destination {{ server 127.0.0.1:{destination}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://destination;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Peer-Host $host;
    }}
  }}
}}
"""

HAPROXY = """\
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  http-reuse safe
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-request 30s
frontend in
  bind 127.0.0.1:{port} backlog 4096
  default_backend out
backend out
  server destination 127.0.0.1:{destination} pool-max-conn 64
"""


class Peer:
    """Runs from construction until stop()."""

    def __init__(self, name, destination):
        self.name = name
        self.scratch = tempfile.TemporaryDirectory(prefix=f"sluice-{name}-")
        folder, self.port = self.scratch.name, free_port()
        config = pathlib.Path(folder, "config")
        config.write_text(CONFIGS[name].format(folder=folder, port=self.port, destination=destination))
        self.process = Process([program(name), *(["-p", folder, "-c", config] if name == "nginx" else ["-db", "-f", config])], folder, name)

    def wait_ready(self):
        def ready():
            if not self.process.alive():
                raise RuntimeError(f"{self.name} ended:\n{self.process.tail()}")
            return fetch(self.port, path="/ready", timeout=2).status == 200
        until(ready, f"{self.name} to answer", 20)

    def evidence(self):
        return f"--- {self.name}, stderr:\n{self.process.tail()}"

    def stop(self):
        self.process.stop()
        self.scratch.cleanup()


CONFIGS = {"nginx": NGINX, "haproxy": HAPROXY}
PEERS = tuple(CONFIGS)


def program(name):
    """Where Debian puts it, also where a user's path does not have /usr/sbin; None when it is missing."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
