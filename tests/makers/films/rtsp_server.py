"""An RTSP server for tests: one H.264 stream over the connection itself (RFC 2326, section 10.12, and RFC 6184)."""

import io
import re
import socket
import struct
import threading
import time
from collections.abc import Sequence

import av
import numpy as np

_SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=test
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track1
"""


def encode(images: Sequence[np.ndarray], *, rate: int) -> list[list[bytes]]:
    """The NAL units of each picture; every picture can be decoded by itself."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = images[0].shape[0], images[0].shape[1], "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=1:slices=1"}
        packets = [p for image in images for p in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))]
        packets += stream.encode(None)
        return [[unit for unit in re.split(rb"\x00\x00\x00?\x01", bytes(packet)) if unit] for packet in packets]


class RtspServer:
    """Serves pictures at a rate, over and over; a context manager.

    Args:
        images: uint8 (H, W, 3) RGB each.
        rate: Pictures per second.
        break_after: Pictures after which the first connection is cut; None: never.
    """

    def __init__(self, images: Sequence[np.ndarray], *, rate: int = 30, break_after: int | None = None) -> None:
        self._pictures, self._rate, self._break_after = encode(images, rate=rate), rate, break_after
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/kitchen"
        self.num_connections = 0
        self._is_over = False

    def __enter__(self) -> "RtspServer":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._socket.close()

    def _accept(self) -> None:
        while not self._is_over:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.num_connections += 1
            most = self._break_after if self.num_connections == 1 else None
            threading.Thread(target=self._serve, args=(connection, most), daemon=True).start()

    def _serve(self, connection: socket.socket, most: int | None) -> None:
        with connection:
            try:
                while request := self._read(connection):
                    method, number = request.split()[0], re.search(r"CSeq: *(\d+)", request)[1]  # type: ignore[index]
                    self._answer(connection, method, number)
                    if method == "PLAY":
                        self._play(connection, most)
                        return
            except OSError:
                return

    def _read(self, connection: socket.socket) -> str:
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            part = connection.recv(1)
            if not part:
                return ""
            text += part
        return text.decode()

    def _answer(self, connection: socket.socket, method: str, number: str) -> None:
        more = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
            "PLAY": "Session: 1\r\n",
        }.get(method, "")
        body = _SDP if method == "DESCRIBE" else ""
        connection.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}\r\n{body}".encode())

    def _play(self, connection: socket.socket, most: int | None) -> None:
        sequence = shown = 0
        while not self._is_over and (most is None or shown < most):
            units = self._pictures[shown % len(self._pictures)]
            for unit in units:
                is_last = unit is units[-1]
                header = struct.pack(
                    "!BBHII", 0x80, 96 | (0x80 if is_last else 0), sequence % 65536, shown * 90000 // self._rate, 7
                )
                connection.sendall(struct.pack("!cBH", b"$", 0, len(header) + len(unit)) + header + unit)
                sequence += 1
            shown += 1
            time.sleep(1 / self._rate)
