"""A cloud of one guest: DHCP and metadata in a network namespace of its own.

Only what a guest sees of a cloud, in plain Python, so that an image can be
tested without Pileus. It does not know the image under test. Run as a program
inside the namespace it serves metadata and DHCP until its input ends.
"""

import base64
import http.server
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import uuid

GUEST = "10.77.0.10"
GATEWAY = "10.77.0.1"
METADATA = "169.254.169.254"
TAP = "tap0"


class Namespace:
    """A namespace with a tap whose network is routed: /32s and proxy ARP."""

    def __init__(self):
        self.name = "img-" + uuid.uuid4().hex[:8]
        run("ip", "netns", "add", self.name)
        self.server = None
        try:
            for line in (
                "ip link set lo up",
                f"ip addr add {METADATA}/32 dev lo",
                f"ip addr add {GATEWAY}/32 dev lo",
                f"ip tuntap add dev {TAP} mode tap",
                f"ip link set {TAP} up",
                f"ip route add {GUEST}/32 dev {TAP}",
                f"sysctl -qw net.ipv4.conf.{TAP}.proxy_arp=1 net.ipv4.neigh.{TAP}.proxy_delay=0",
            ):
                run(*self.inside(*line.split()))
        except BaseException:
            self.close()
            raise

    def inside(self, *command):
        return ["ip", "netns", "exec", self.name, *command]

    def serve(self, answers, dhcp):
        """Starts the servers with these answers (path -> bytes) and DHCP options."""
        self.stop_serving()
        self.server = subprocess.Popen(
            self.inside(sys.executable, os.path.abspath(__file__)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        encoded = {path: base64.b64encode(body).decode() for path, body in answers.items()}
        self.server.stdin.write(json.dumps({"answers": encoded, "dhcp": dhcp}).encode() + b"\n")
        self.server.stdin.flush()
        assert self.server.stdout.readline() == b"ready\n"

    def stop_serving(self):
        """Ends the servers and returns the metadata paths that were asked for."""
        if self.server is None:
            return []
        self.server.stdin.close()
        asked = json.loads(self.server.stdout.read() or b"[]")
        self.server.stdout.close()
        self.server.wait(timeout=10)
        self.server = None
        return asked

    def close(self):
        if self.server is not None:
            self.server.kill()
            self.server.wait()
        run("ip", "netns", "del", self.name)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def metadata_handler(answers, asked):
    token = uuid.uuid4().hex

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, code, body=b""):
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def value(self):
            """The answer for this path, where a version by date means the latest."""
            return answers.get(re.sub(r"^/\d{4}-\d\d-\d\d/", "/latest/", self.path))

        def do_PUT(self):
            seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            if self.path == "/latest/api/token" and seconds.isdigit():
                self.answer(200, token.encode())
            else:
                self.answer(400)

        def do_GET(self):
            asked.append(self.path)
            if self.headers.get("X-aws-ec2-metadata-token") != token:
                self.answer(401)
            elif self.value() is not None:
                self.answer(200, self.value())
            else:
                self.answer(404)

        def log_message(self, *_):
            pass

    return Handler


def dhcp_answer(request, options):
    """The reply to a DISCOVER or REQUEST, as RFC 2131 lays it out; None otherwise."""
    kind = dhcp_options(request).get(53)
    if kind not in (b"\x01", b"\x03"):
        return None
    reply = struct.pack("!BBBB", 2, 1, 6, 0) + request[4:12] + bytes(4)
    reply += socket.inet_aton(GUEST) + bytes(8) + request[28:236] + b"\x63\x82\x53\x63"
    values = {53: b"\x02" if kind == b"\x01" else b"\x05", 54: socket.inet_aton(GATEWAY), 51: struct.pack("!I", 3600)}
    values.update({int(code): base64.b64decode(value) for code, value in options.items()})
    for code, value in values.items():
        reply += bytes([code, len(value)]) + value
    return reply + b"\xff"


def dhcp_options(packet):
    found, at = {}, 240
    while at < len(packet) and packet[at] != 255:
        if packet[at] == 0:
            at += 1
            continue
        found[packet[at]] = packet[at + 2 : at + 2 + packet[at + 1]]
        at += 2 + packet[at + 1]
    return found


def serve_dhcp(options):
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, TAP.encode())
    listener.bind(("", 67))

    def loop():
        while True:
            reply = dhcp_answer(listener.recv(2048), options)
            if reply:
                listener.sendto(reply, ("255.255.255.255", 68))

    threading.Thread(target=loop, daemon=True).start()


def main():
    wanted = json.loads(sys.stdin.readline())
    answers = {path: base64.b64decode(body) for path, body in wanted["answers"].items()}
    asked = []
    web = http.server.ThreadingHTTPServer((METADATA, 80), metadata_handler(answers, asked))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    serve_dhcp(wanted["dhcp"])
    print("ready", flush=True)
    sys.stdin.read()
    print(json.dumps(asked), flush=True)


if __name__ == "__main__":
    main()
