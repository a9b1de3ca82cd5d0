"""A server that nobody here wrote: nginx with a request limit (429 with Retry-After) and missing tiles.

    python3 tests/servers/nginx.py

Bytes are equal, and its access log has as many lines as attempts were counted."""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from common import EMBEDDED, check, check_directory, scratch, tidegate, tiles_of

CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {folder}/access.log; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  types {{ application/vnd.mapbox-vector-tile mvt; }}
  limit_req_zone $binary_remote_addr zone=all:1m rate=30r/s; limit_req_status 429;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      root {folder}/tiles; limit_req zone=all burst=10 nodelay;
      gzip off; add_header Content-Encoding gzip; error_page 429 = @limited;
    }}
    location @limited {{ internal; add_header Retry-After 1 always; return 429; }}
  }}
}}
"""

nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
check(nginx is not None, "nginx is missing: apt-get install nginx-light")

with scratch() as folder:
    folder = Path(folder)
    for (z, x, y), data in tiles_of(EMBEDDED):
        path = folder / f"tiles/{z}/{x}/{y}.mvt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port))
    server = subprocess.Popen([nginx, "-c", folder / "nginx.conf", "-p", folder])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        run = tidegate(
            *("fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", "0-4", "--output", folder / "out"),
            *("--url-template", f"http://127.0.0.1:{port}/{{z}}/{{x}}/{{y}}.mvt", "--output-format", "json"),
        )
    finally:
        server.terminate()
        server.wait(timeout=10)
    check(run.returncode == 0, f"exit code {run.returncode}")
    metrics = json.loads(run.stdout)["metrics"]
    tiles = check_directory(folder / "out", EMBEDDED, "mvt")
    lines = (folder / "access.log").read_text().splitlines()

refused = sum(" 429 " in line for line in lines)
check(metrics["failed"] == 0, f"{metrics['failed']} failed")
check(len(lines) == metrics["attempts"], f"{len(lines)} lines in the log, {metrics['attempts']} attempts counted")
print(f"{tiles} tiles identical through nginx; {len(lines)} requests in its log and here, {refused} of them refused")
sys.exit(0)
