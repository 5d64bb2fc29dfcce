"""A real RTSP server on loopback; runs under the system's Python, which has GStreamer.

``/usr/bin/python3 rtsp_server.py PORT FILE SHARED [USER PASSWORD]`` serves the H.264 of an MP4
file (the H.265 of one called ``NAME.h265.mp4``), at its own pace, as
``rtsp://127.0.0.1:PORT/stream``, and prints ``ready``. Each client begins at its beginning; where
SHARED is ``shared`` all see the same picture at a time, as of a camera.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    port, file, shared, *login = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    codec = "h265" if file.endswith(".h265.mp4") else "h264"
    factory.set_launch(
        f'( filesrc location="{file}" ! qtdemux ! {codec}parse ! '
        f"rtp{codec}pay name=pay0 pt=96 config-interval=1 )"
    )
    factory.set_shared(shared == "shared")
    if login:
        _protect(server, factory, *login)
    server.get_mount_points().add_factory("/stream", factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


def _protect(
    server: GstRtspServer.RTSPServer,
    factory: GstRtspServer.RTSPMediaFactory,
    user: str,
    password: str,
) -> None:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    allow = Gst.Structure.new_empty(user)
    allow.set_value("media.factory.access", True)
    allow.set_value("media.factory.construct", True)
    factory.add_role_from_structure(allow)


if __name__ == "__main__":
    main()
