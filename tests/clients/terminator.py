"""A proxy that ends TLS for clients that speak nothing else: what they send to any host arrives at one plain endpoint.

The client is pointed at it with `HTTPS_PROXY` and trusts its certificates with `SSL_CERT_FILE`.
"""

import contextlib
import socket
import socketserver
import ssl
import subprocess
import threading

CHUNK = 1 << 16


def certificate(folder, *names):
    """Makes a certificate for these names that vouches for itself, and its key: one file, both to show and to trust."""
    file = folder / "terminator.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file]
    words = ["-subj", "/CN=terminator", "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)]
    made = subprocess.run(["openssl", "req", "-x509", "-days", "1", *key, *words], check=True, capture_output=True)
    with file.open("ab") as sink:
        sink.write(made.stdout)
    return file


def pump(source, sink):
    """Hands on bytes until there are no more."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Terminator(socketserver.ThreadingTCPServer):
    """Takes `CONNECT` for any host, and hands what is said inside TLS to the endpoint."""

    daemon_threads = True

    def __init__(self, folder, endpoint, *names):
        super().__init__(("127.0.0.1", 0), Connection)
        self.endpoint = endpoint
        self.certificate = certificate(folder, *names)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextlib.contextmanager
    def serving(self):
        """Serves as long as the context lasts."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


class Connection(socketserver.StreamRequestHandler):
    rbufsize = 0  # nothing of what follows the head may be taken from the socket

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.rfile.read(1) or b"\r\n\r\n"
        if not head.startswith(b"CONNECT "):
            self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with self.server.tls.wrap_socket(self.connection, server_side=True) as client:
            with socket.create_connection(self.server.endpoint) as server:
                threading.Thread(target=pump, args=(server, client), daemon=True).start()
                pump(client, server)
