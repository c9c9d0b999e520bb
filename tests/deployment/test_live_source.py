"""Addresses, and what comes from cameras and streams of several protocols on the loopback address."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode

import av
import pytest
import stream_servers as servers
from numbered_videos import number, numbered

from vad_lib.deployment import live_source
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.deployment.live_source import StreamLost, arriving, parse_source
from vad_lib.errors import ConfigError, MissingFileError

QUICK = LiveSettings(open_seconds=3, read_seconds=1)


# --- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:secret@cam.local:554/h264?channel=1", "rtsp://cam.local:554/***"),
        ("RTSP://cam/", "rtsp://cam"),
        ("rtmp://host/app/secret", "rtmp://host/***"),
        ("http://[::1]:8080/?token=secret", "http://[::1]:8080/***"),
        ("https://host#secret", "https://host/***"),
        ("udp://@239.0.0.1:1234", "udp://239.0.0.1:1234"),
        ("tcp://127.0.0.1:9?listen=1", "tcp://127.0.0.1:9/***"),
        ("rtsp://admin:sec/ret@host/x", "rtsp://***"),
        ("rtsp://admin:se@cr/et@host/x", "rtsp://***"),
        ("rtsp://admin:se?cr@et@host/x", "rtsp://***"),
        ("rtsp://admin:secret@ho%22st/x", "rtsp://***"),
    ],
)
def test_of_an_address_only_scheme_and_host_are_shown(address, shown):
    source = parse_source(address)
    assert (source.kind, source.shown) == ("stream", shown)
    assert source.address.lower() == address.lower()
    assert "secret" not in repr(source)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("ftp://u:secret@host/x.mp4", ConfigError, r"ftp://\.\.\.: expected rtsp://, rtmp://.* a capture device"),
        ("file:///etc/passwd", ConfigError, "such addresses are not read"),
        ("rtsp://", ConfigError, "a part is missing"),
        ("rtsp://u:secret@", ConfigError, "a part is missing"),
        ("udp://host", ConfigError, "expected udp://HOST:PORT"),
        ("http://host/a\r\nX-Secret: secret", ConfigError, "without spaces, line ends"),
        ("u:secret@host/live", MissingFileError, "^the source: no such video"),
        ("concat:a.ts|b.ts", MissingFileError, "no such video"),
        ("/dev/video77", MissingFileError, "expected a capture device, found none"),
        ("/dev/null; x", MissingFileError, "expected a capture device"),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capture devices are Linux's here")
def test_what_is_no_source(text, error, said):
    with pytest.raises(error, match=said) as caught:
        parse_source(text)
    assert "secret" not in str(caught.value)


def test_devices_need_video4linux(monkeypatch):
    monkeypatch.setattr(av, "formats_available", {"mp4"})
    with pytest.raises(ConfigError, match=r"this build of PyAV lacks; let another program serve the camera"):
        parse_source("/dev/video0")


def test_this_build_can_read_what_is_promised():
    assert set(live_source.STREAM_CONTAINERS.split(",")) >= {"rtsp", "hls", "mpegts", "mpjpeg"}
    names = {name for known in av.formats_available for name in known.split(",")}
    assert names >= {"rtsp", "hls", "mpegts", "flv", "mpjpeg"}


# --- connections ------------------------------------------------------------------------------------


FRAMES = [numbered(index) for index in range(48)]


def look(address: str, settings: LiveSettings = QUICK) -> tuple[list[int], str]:
    """The numbers that came, and why the stream ended."""
    found = []
    try:
        for arrived in arriving(parse_source(address), settings, threading.Event()):
            found.append(int(number(arrived.pixels)))
    except StreamLost as lost:
        return found, str(lost)
    return found, ""


def test_http(transport_stream):
    with servers.http_server(lambda request: servers.send(request, transport_stream)) as port:
        assert look(f"http://127.0.0.1:{port}/live") == (list(range(48)), "it ended")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_with_a_certificate_of_its_own(tmp_path, transport_stream):
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=camera -out own.pem -keyout own.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    with servers.http_server(lambda request: servers.send(request, transport_stream), tmp_path / "own.pem") as port:
        assert look(f"https://127.0.0.1:{port}/live") == (list(range(48)), "it ended")


def test_motion_jpeg():
    content = servers.encoded(FRAMES, format="mpjpeg")
    kind = "multipart/x-mixed-replace;boundary=ffmpeg"
    with servers.http_server(lambda request: servers.send(request, content, kind)) as port:
        assert look(f"http://127.0.0.1:{port}/")[0] == list(range(48))


def test_a_playlist_and_its_parts(transport_stream):
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\npart.ts\n#EXT-X-ENDLIST\n"

    def answer(request):
        if request.path == "/part.ts":
            servers.send(request, transport_stream)
        else:
            servers.send(request, playlist, "application/vnd.apple.mpegurl")

    with servers.http_server(answer) as port:
        assert look(f"http://127.0.0.1:{port}/live.m3u8")[0] == list(range(48))


def test_a_camera_with_a_password(transport_stream):
    with servers.rtsp_camera(transport_stream, b64encode(b"admin:secret").decode()) as port:
        found, _ = look(f"rtsp://admin:secret@127.0.0.1:{port}/live")
        refused = look(f"rtsp://admin:wrong@127.0.0.1:{port}/live")
    assert found[:40] == list(range(40))
    assert refused == ([], "Server returned 401 Unauthorized (authorization failed)")


@pytest.mark.slow
def test_udp():
    port = servers.free_port(socket.SOCK_DGRAM)
    with servers.ffmpeg_sends(f"udp://127.0.0.1:{port}?pkt_size=1316", 64):
        found, why = look(f"udp://127.0.0.1:{port}", QUICK.replace(open_seconds=30))
    assert why == "nothing came for 1 s"
    assert found == list(range(64))


def test_a_stream_cannot_lead_into_this_machine(tmp_path, transport_stream):
    (tmp_path / "own.ts").write_bytes(transport_stream)
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nfile://{tmp_path}/own.ts\n#EXT-X-ENDLIST\n".encode()
    with servers.http_server(lambda request: servers.send(request, playlist, "application/vnd.apple.mpegurl")) as port:
        assert look(f"http://127.0.0.1:{port}/live.m3u8")[0] == []
    with servers.http_server(lambda request: servers.send(request, b"", status=302, Location=f"file://{tmp_path}/own.ts")) as port:
        assert look(f"http://127.0.0.1:{port}/")[0] == []
    with av.open(str(tmp_path / "own.ts")) as whole:  # it would have been there
        assert sum(1 for _ in whole.decode(video=0)) == 48


def test_silence_ends(transport_stream):
    with servers.tcp_server(lambda connection: time.sleep(9)) as port:
        assert look(f"tcp://127.0.0.1:{port}", QUICK.replace(open_seconds=0.5)) == ([], "nothing came within 0.5 s")

    def stall(connection):
        connection.sendall(transport_stream)
        time.sleep(9)

    with servers.tcp_server(stall) as port:
        found, why = look(f"tcp://127.0.0.1:{port}")
    assert (found[:40], why) == (list(range(40)), "nothing came for 1 s")


def test_what_is_no_stream():
    with servers.http_server(lambda request: servers.send(request, b"", status=404)) as port:
        assert look(f"http://127.0.0.1:{port}/x") == ([], "Server returned 404 Not Found")
    with servers.http_server(lambda request: servers.send(request, bytes(50_000))) as port:
        assert look(f"http://127.0.0.1:{port}/x") == ([], "what came is no video in a form that is read here")
    sound = servers.encoded_sound()
    with servers.http_server(lambda request: servers.send(request, sound)) as port:
        assert look(f"http://127.0.0.1:{port}/x") == ([], "it holds no video that FFmpeg can decode")


def test_a_damaged_packet_costs_its_own_pictures_only(transport_stream):
    damaged = bytearray(transport_stream)
    place = 20 * servers.TS_PACKET * (len(damaged) // servers.TS_PACKET // 48)
    damaged[place : place + servers.TS_PACKET] = os.urandom(servers.TS_PACKET)
    with servers.http_server(lambda request: servers.send(request, bytes(damaged))) as port:
        found, _ = look(f"http://127.0.0.1:{port}/")
    assert 24 < len(found) <= 48
    assert found[-8:] == list(range(40, 48))
