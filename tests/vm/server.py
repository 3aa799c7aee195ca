"""The release server: HTTPS with the test's own authority, in GitHub's layout. Knows Range, counts what it was asked for, and serves files of the cache."""
import hashlib
import http.server
import ssl
import threading
from pathlib import Path

import images

GUEST_VIEW = "10.0.2.2"  # how QEMU's user network shows the host's loopback to a guest


class Releases:
    """Running from its creation to the end of the process."""

    def __init__(self):
        crun, kind = images.crun(), images.kind() / "kind-linux-amd64"
        self.files = {
            f"/containers/crun/releases/download/1.21/{crun.name}": crun,
            f"/kubernetes-sigs/kind/releases/download/v0.27.0/{kind.name}": kind,
        }
        self.asked = []
        releases = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                releases.answer(self, body=True)

            def do_HEAD(self):
                releases.answer(self, body=False)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass  # a client that goes away in the middle is a case of the tests, not an error

        server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca = images.authority()
        context.load_cert_chain(ca / "server.crt", ca / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://{GUEST_VIEW}:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def sha256(self, name):
        file = next(f for path, f in self.files.items() if path.endswith(name))
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()

    def answer(self, request, body):
        self.asked.append((request.command, request.path))
        file = self.files.get(request.path.split("?")[0])
        if file is None:
            request.send_error(404)
            return
        data, total, start = file.read_bytes(), file.stat().st_size, 0
        wanted = request.headers.get("Range", "")
        if wanted.startswith("bytes=") and wanted.endswith("-") and wanted[6:-1].isdigit() and int(wanted[6:-1]) < total:
            start = int(wanted[6:-1])
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            request.send_response(200)
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Type", "application/octet-stream")
        request.send_header("Content-Length", str(total - start))
        request.end_headers()
        if body:
            request.wfile.write(data[start:])
