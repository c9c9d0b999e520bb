"""Streams on the loopback address: FFmpeg's libraries send in a process of their own, small servers of other protocols in threads.

Frames are numbered (:mod:`numbered_videos`), or plain grey of a given level, so that a test knows what arrived.
"""

import argparse
import contextlib
import io
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
from numbered_videos import numbered

LOCAL = "127.0.0.1"
TS_PACKET = 188


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOCAL, 0))
        return probe.getsockname()[1]


def grey(level: float, height: int = 48, width: int = 64) -> np.ndarray:
    """A frame of one brightness in [0, 1]."""
    return np.full((height, width, 3), round(255 * level), dtype=np.uint8)


def encode(target: str | io.BytesIO, frames: Sequence[np.ndarray], fps: int, format: str, paced: bool = False) -> None:
    """Write frames as H.264 (MJPEG for mpjpeg), each at its time if ``paced``."""
    codec, options = ("mjpeg", {}) if format == "mpjpeg" else ("libx264", {"preset": "ultrafast", "tune": "zerolatency"})
    began = time.monotonic()
    with av.open(target, "w", format=format) as out:
        stream = out.add_stream(codec, rate=fps, options=options | {"g": "8"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index, pixels in enumerate(frames):
            if paced:
                time.sleep(max(began + index / fps - time.monotonic(), 0))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def encoded(frames: Sequence[np.ndarray], fps: int = 50, format: str = "mpegts") -> bytes:
    buffer = io.BytesIO()
    encode(buffer, frames, fps, format)
    return buffer.getvalue()


def encoded_sound() -> bytes:
    """A transport stream of silence, without pictures."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as out:
        stream = out.add_stream("aac", rate=16_000)
        for index in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 1024 * index
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return buffer.getvalue()


def wait_until_listening(port: int, seconds: float = 30.0) -> None:
    """Wait for a server that must not be tried out, since it takes one connection only."""
    listing, end = Path("/proc/net/tcp"), time.monotonic() + seconds
    if not listing.is_file():
        time.sleep(5)
        return
    while not any(f":{port:04X} 00000000:0000 0A " in line for line in listing.read_text().splitlines()):
        assert time.monotonic() < end, f"nobody listens at {port}"
        time.sleep(0.02)


@contextlib.contextmanager
def ffmpeg_sends(url: str, count: int, fps: int = 50, first: int = 0) -> Iterator[subprocess.Popen]:
    """Another process sends numbered frames as a transport stream; it ends with the block."""
    with _in_a_process(url, count=count, fps=fps, first=first) as sender:
        yield sender


@contextlib.contextmanager
def ffmpeg_loops(url: str, video: Path, seconds: float, speed: float) -> Iterator[subprocess.Popen]:
    """Another process sends a file again and again; it ends with the block. See :func:`send_over_and_over`."""
    with _in_a_process(url, video=video, seconds=seconds, speed=speed) as sender:
        yield sender


@contextlib.contextmanager
def _in_a_process(url: str, **options: object) -> Iterator[subprocess.Popen]:
    command = [sys.executable, __file__, url, *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as sender:
        try:
            yield sender
        finally:
            sender.kill()


@contextlib.contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that hands each connection to a function, in a thread; gives its port."""
    with socket.create_server((LOCAL, 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=attend, args=(connection,), daemon=True).start()

        def attend(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def http_server(answer: Callable[[BaseHTTPRequestHandler], None], certificate: Path | None = None) -> Iterator[int]:
    """An HTTP server whose GET is a function, or an HTTPS server with a certificate and its key; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer((LOCAL, 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


def send(request: BaseHTTPRequestHandler, content: bytes, kind: str = "video/mp2t", status: int = 200, **headers: str) -> None:
    """A whole answer."""
    request.send_response(status)
    for name, value in ({"Content-Type": kind, "Content-Length": str(len(content))} | headers).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)


@contextlib.contextmanager
def rtsp_camera(stream: bytes, password: str = "") -> Iterator[int]:
    """A camera that plays a transport stream over RTSP, packets within the connection (RFC 2326, 2250); gives its port.

    Args:
        stream: the transport stream.
        password: that it wants, as ``admin:...`` in Base64; empty for none.
    """

    def serve(connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        while head := _request(lines):
            method, number, fields = head
            answer, body = [f"CSeq: {number}"], ""
            if password and fields.get("authorization") != f"Basic {password}":
                connection.sendall(_reply("401 Unauthorized", [*answer, 'WWW-Authenticate: Basic realm="camera"'], ""))
                continue
            if method == "DESCRIBE":
                body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
                answer.append("Content-Type: application/sdp")
            if method == "SETUP":
                answer += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
            connection.sendall(_reply("200 OK", answer, body))
            if method == "PLAY":
                for place, start in enumerate(range(0, len(stream), 7 * TS_PACKET)):
                    load = stream[start : start + 7 * TS_PACKET]
                    header = bytes([0x80, 33]) + place.to_bytes(2, "big") + (place * 90).to_bytes(4, "big") + bytes(4)
                    connection.sendall(b"$\0" + (len(header) + len(load)).to_bytes(2, "big") + header + load)
                time.sleep(0.3)
                return

    with tcp_server(serve) as port:
        yield port


def _request(lines: io.BufferedReader) -> tuple[str, str, dict[str, str]] | None:
    method = lines.readline().decode().partition(" ")[0]
    fields = {}
    while line := lines.readline().decode().strip():
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return (method, fields.get("cseq", "0"), fields) if method else None


def _reply(status: str, fields: list[str], body: str) -> bytes:
    if body:
        fields = [*fields, f"Content-Length: {len(body)}"]
    return "\r\n".join([f"RTSP/1.0 {status}", *fields, "", body]).encode()


def send_over_and_over(url: str, video: str, seconds: float, speed: float) -> None:
    """Send a file again and again, as it is coded, ``speed`` times as fast as it plays; its clock goes on from turn to turn."""
    began, shift = time.monotonic(), 0
    with av.open(url, "w", format="mpegts") as out:
        stream = None
        while True:
            with av.open(video) as source:
                coded = source.streams.video[0]
                stream = stream or out.add_stream_from_template(coded)
                base = float(coded.time_base)
                for packet in source.demux(coded):
                    if packet.dts is None:
                        continue
                    packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                    if packet.dts * base > seconds:
                        return
                    time.sleep(max(began + packet.dts * base / speed - time.monotonic(), 0))
                    packet.stream = stream
                    out.mux(packet)
                shift += coded.duration


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--video")
    for name in ("count", "fps", "first"):
        options.add_argument(f"--{name}", type=int)
    for name in ("seconds", "speed"):
        options.add_argument(f"--{name}", type=float)
    given = options.parse_args()
    with contextlib.suppress(av.error.FFmpegError):
        if given.video:
            send_over_and_over(given.url, given.video, given.seconds, given.speed)
        else:
            encode(given.url, [numbered(given.first + index) for index in range(given.count)], given.fps, "mpegts", paced=True)
