"""Cameras, streams, and files played at their own speed: frames as they arrive.

A stream is opened with the protocols of its own scheme only, so that what it sends cannot make FFmpeg read files of this
machine or speak to other servers by other protocols. Certificates of ``https://`` are not checked, since cameras sign their
own. An address may hold a password anywhere: only its scheme and host are ever shown or stored.
"""

import errno
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from vad_lib.data.video import Noticed, Painter, decode
from vad_lib.data.video_opening import CONTAINERS, MOST_PIXELS
from vad_lib.deployment.live_settings import LiveSettings
from vad_lib.errors import ConfigError, MissingFileError

# scheme -> what FFmpeg may open for it
PROTOCOLS = {
    "rtsp": "rtsp,rtp,tcp,udp",
    "rtmp": "rtmp,tcp",
    "http": "http,tcp",
    "https": "https,tls,tcp",
    "udp": "udp",
    "tcp": "tcp",
}

STREAM_CONTAINERS = f"{CONTAINERS},rtsp,rtp,hls,mpjpeg,live_flv"

DEVICE_FORMAT = "video4linux2,v4l2"  # as FFmpeg lists it

PROBE_SECONDS = 1.0  # of the stream that are looked at to find out what it is; they arrive all at once

SOURCES = f"{', '.join(f'{scheme}://' for scheme in PROTOCOLS)}, a capture device (/dev/video0) or a video file"


class StreamLost(Exception):
    """A stream cannot be opened, or does not go on; the message says why, without the address."""


class Arrived(NamedTuple):
    """One frame.

    Attributes:
        pixels: uint8 (H, W, 3), RGB; H and W stay the same while a connection lasts.
        stamp: seconds by the stream's own clock, None if it has none.
        at: seconds of ``time.monotonic`` at which the frame was there.
    """

    pixels: np.ndarray
    stamp: float | None
    at: float


@dataclass(frozen=True)
class Source:
    """Where frames come from.

    Attributes:
        address: for FFmpeg; it may hold a password, so it is never shown.
        kind: of the address.
        shown: what people may see of it.
    """

    address: str = field(repr=False)
    kind: Literal["stream", "device", "file"]
    shown: str


def parse_source(text: str) -> Source:
    """Tell addresses, devices and files apart.

    Args:
        text: ``rtsp://``, ``rtmp://``, ``http://``, ``https://``, ``udp://`` or ``tcp://`` and so on, ``/dev/NAME``, or a path.

    Raises:
        ConfigError: another scheme, no host, characters that no address has, or a device where FFmpeg cannot read one.
        MissingFileError: no such device or file.

    Example: neither the password nor the path is shown, since some cameras want the password there.
        >>> parse_source("rtsp://admin:secret@192.168.1.5:554/user=admin&password=secret").shown
        'rtsp://192.168.1.5:554/***'
    """
    if scheme := re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+)://", text):
        return _parse_address(scheme[1].lower(), text[scheme.end() :])
    if text.startswith("/dev/"):
        return _parse_device(text)
    if not Path(text).is_file():
        shown = "the source" if "@" in text else text  # an address without its scheme may hold a password
        raise MissingFileError(f"{shown}: no such video. Expected {SOURCES}.")
    return Source(text, "file", Path(text).name)


def _parse_address(scheme: str, rest: str) -> Source:
    if scheme not in PROTOCOLS:
        raise ConfigError(f"{scheme}://...: expected {SOURCES}; such addresses are not read.")
    if re.search(r"[\s\x00-\x1f\x7f]", rest):
        raise ConfigError(f"{scheme}://...: expected an address without spaces, line ends or control characters; correct it.")
    shown, host = f"{scheme}://{_shown_host(rest)}", re.match(r"[^/?#]*", rest)
    assert host is not None  # it may be empty
    if not host[0].rpartition("@")[2] or (scheme in ("udp", "tcp") and not re.search(r":\d+$", host[0])):
        port = ":PORT" if scheme in ("udp", "tcp") else ""
        raise ConfigError(f"{shown}: expected {scheme}://HOST{port}, but a part is missing; correct the address.")
    return Source(f"{scheme}://{rest}", "stream", shown)


def _shown_host(rest: str) -> str:
    """Host and port; nothing where a password with special characters makes it doubtful which part they are."""
    authority, slash, path = re.match(r"([^/?#]*)([/?#]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    host = authority.rpartition("@")[2]
    if "@" in path or not re.fullmatch(r"[A-Za-z0-9._-]*(:\d+)?|\[[0-9A-Fa-f:.%]+\](:\d+)?", host):
        return "***"
    return f"{host}/***" if slash and slash + path != "/" else host


def _parse_device(text: str) -> Source:
    if not sys.platform.startswith("linux") or DEVICE_FORMAT not in av.formats_available:
        raise ConfigError(
            f"{text}: capture devices are read through Video4Linux, which this system or this build of PyAV lacks; let another "
            "program serve the camera as a stream, and give its address."
        )
    if not re.fullmatch(r"/dev/[\w./-]+", text) or not Path(text).is_char_device():
        found = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
        raise MissingFileError(f"{text}: expected a capture device, found none of this name; there are: {found}.")
    return Source(text, "device", text)


def arriving(source: Source, settings: LiveSettings, stopped: threading.Event) -> Iterator[Arrived]:
    """Frames of one connection, or of a file, as they arrive.

    Args:
        source: where they come from.
        settings: times and speed.
        stopped: set by another thread to end; a connection that is silent ends at its next time-out.

    Raises:
        StreamLost: the stream cannot be opened, or does not go on.
        DataError: the file cannot be decoded to its end.
    """
    if source.kind == "file":
        yield from _played(Path(source.address), settings, stopped)
        return
    with _connected(source, settings) as (container, stream):
        yield from _received(container, stream, settings, stopped)


def _played(path: Path, settings: LiveSettings, stopped: threading.Event) -> Iterator[Arrived]:
    begin, before = time.monotonic(), 0.0
    for _ in range(settings.loops):
        last, step = before, 0.04
        for frame in decode(path):
            stamp = before + frame.seconds
            last, step = stamp, stamp - last or step
            if stopped.wait(max(begin + stamp / settings.speed - time.monotonic(), 0.0)):
                return
            yield Arrived(frame.pixels, stamp, time.monotonic())
        before = last + step


@contextmanager
def _connected(source: Source, settings: LiveSettings) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The stream and the video in it."""
    options = {"format_whitelist": STREAM_CONTAINERS, "analyzeduration": str(round(PROBE_SECONDS * 1e6))}
    if source.kind == "stream":
        scheme = source.address.partition("://")[0]
        options["protocol_whitelist"] = PROTOCOLS[scheme]
        if scheme == "rtsp":
            options["rtsp_flags"] = "prefer_tcp"  # packets over UDP get lost
        if scheme == "udp":
            options["overrun_nonfatal"] = "1"
    else:
        options["format_whitelist"] = DEVICE_FORMAT
    try:
        container = av.open(
            source.address,
            format="v4l2" if source.kind == "device" else None,
            container_options=options,
            timeout=(settings.open_seconds, settings.read_seconds),
            metadata_errors="replace",
        )
    except av.error.ExitError:
        raise StreamLost(f"nothing came within {settings.open_seconds:g} s") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise StreamLost(_reason(error, opening=True)) from None  # the error itself holds the address
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise StreamLost("it holds no video that FFmpeg can decode")
        context = stream.codec_context
        context.options = {"max_pixels": str(MOST_PIXELS)}
        context.thread_type = "SLICE"  # whole frames side by side would each come a frame later
        yield container, stream


def _received(
    container: InputContainer, stream: VideoStream, settings: LiveSettings, stopped: threading.Event
) -> Iterator[Arrived]:
    painter, packets, seen = Painter(Noticed()), container.demux(), time.monotonic()
    while not stopped.is_set():
        try:
            packet = next(packets)  # of all streams: sound goes on where the picture has stopped
        except StopIteration:
            raise StreamLost("it ended") from None
        except av.error.ExitError:
            raise StreamLost(f"nothing came for {settings.read_seconds:g} s") from None
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise StreamLost(_reason(error)) from None
        at = time.monotonic()
        if packet.stream_index == stream.index:
            for pixels, stamp in _decoded(stream, packet, painter):
                seen = at
                yield Arrived(pixels, stamp, at)
        if at - seen > settings.read_seconds:
            raise StreamLost(f"no picture came for {settings.read_seconds:g} s")


def _decoded(stream: VideoStream, packet: av.Packet, painter: Painter) -> list[tuple[np.ndarray, float | None]]:
    """Pixels and times; nothing where a packet is damaged, or belongs to a picture whose beginning was not received."""
    painter.noticed = Noticed()  # its lists would grow for ever
    try:
        return [(painter.pixels(frame), frame.time) for frame in stream.decode(packet)]
    except (av.error.FFmpegError, EOFError, ValueError):
        return []


def _reason(error: Exception, opening: bool = False) -> str:
    """Why FFmpeg failed, without the address."""
    if isinstance(error, av.error.InvalidDataError):
        return "what came is no video in a form that is read here" if opening else "what came last cannot be read"
    if isinstance(error, av.error.EOFError):
        return "it ended at once"
    if opening and isinstance(error, av.error.OSError) and error.errno == errno.EIO:
        return "its host is not known, or broke the connection off"
    return str(getattr(error, "strerror", None) or type(error).__name__)
