#!/usr/bin/python3
"""Serves an MP4 film over RTSP with GStreamer's own server, in one transport only: a camera that nobody here wrote.

Usage: gst_server.py FILE PORT tcp|udp|multicast [--video h264|h265|jpeg] [--sound aac|pcmu|opus] [--tls PEM]
[--user NAME PASSWORD] [--basic]. Prints "ready" when it listens. The film's pictures are H.264 or H.265 as --video says, or H.264
and made JPEG of; its sound is AAC, or is made what --sound says.
Each client gets the film from its first picture; of multicast there is one film for all, and it begins with the first client.
PEM holds a certificate and its key.
"""
import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

TRANSPORTS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "multicast": GstRtsp.RTSPLowerTrans.UDP_MCAST,
}
VIDEO = {
    "h264": "h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "jpeg": "h264parse ! avdec_h264 ! jpegenc ! rtpjpegpay name=pay0 pt=26",
}
RAW = "aacparse ! avdec_aac ! audioconvert ! audioresample"
SOUND = {
    "aac": "aacparse ! rtpmp4gpay name=pay1 pt=97",
    "pcmu": f"{RAW} ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0",
    "opus": f"{RAW} ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay name=pay1 pt=97",
}
ROLE = "viewer"

arguments = argparse.ArgumentParser()
arguments.add_argument("film")
arguments.add_argument("port")
arguments.add_argument("transport", choices=TRANSPORTS)
arguments.add_argument("--video", choices=VIDEO, default="h264")
arguments.add_argument("--sound", choices=SOUND, default="aac")
arguments.add_argument("--tls")
arguments.add_argument("--user", nargs=2)
arguments.add_argument("--basic", action="store_true")
args = arguments.parse_args()

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("0.0.0.0")
server.set_service(args.port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f'( filesrc location="{args.film}" ! qtdemux name=d '
    f"d.video_0 ! queue ! {VIDEO[args.video]} d.audio_0 ! queue ! {SOUND[args.sound]} )"
)
factory.set_protocols(TRANSPORTS[args.transport])
if args.transport == "multicast":
    pool = GstRtspServer.RTSPAddressPool()
    pool.add_range("239.255.42.1", "239.255.42.20", 5000, 5010, 1)
    factory.set_address_pool(pool)
    factory.set_shared(True)

if args.tls or args.user:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if args.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(args.tls))
    if args.user and args.basic:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*args.user), token)
    elif args.user:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(*args.user, token)
    else:
        auth.set_default_token(token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(ROLE, "media.factory.access", True)
    permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
    factory.set_permissions(permissions)

server.get_mount_points().add_factory("/film", factory)
if server.attach(None) == 0:
    raise SystemExit(f"cannot listen on port {args.port}")
print("ready", flush=True)
GLib.MainLoop().run()
