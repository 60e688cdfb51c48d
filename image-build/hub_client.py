"""A phone, as far as a test needs one: claims a hub over TLS that it has reason to trust, adds a camera, plays back."""

import hashlib
import http.client
import json
import ssl
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

PASSWORD = "copper lantern walrus tangent"


class Hub:
    """The hub behind two forwarded ports of this machine. `address` is its own, which it wants to be called by."""

    def __init__(self, https, http_port, address):
        self.https, self.http, self.address, self.cookie, self.tls, self.root = https, http_port, address, None, None, None

    def trust(self, fingerprint):
        """Gets its root certificate from the set-up page, if it is the one whose SHA-256 the screen shows."""
        page = http.client.HTTPConnection("127.0.0.1", self.http, timeout=60)
        page.request("GET", "/ca.pem", headers={"Host": self.address})
        pem = page.getresponse().read().decode()
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        wanted = fingerprint.replace(":", "").replace(" ", "").lower()
        assert found == wanted, f"The screen shows the certificate {wanted}, the set-up page gives {found}."
        self.trust_pem(pem)

    def trust_pem(self, pem):
        """Trusts a root that was looked at before."""
        self.root, self.tls = pem, ssl.create_default_context(cadata=pem)

    def ask(self, method, path, body=None):
        """Status, headers and body of an answer."""
        connection = http.client.HTTPSConnection(self.address, 443, context=self.tls, timeout=120)
        # To the forwarded port, by the name that the certificate has.
        connection._create_connection = lambda *_, **__: _connect(self.https)
        headers = {"Origin": f"https://{self.address}", "Content-Type": "application/json"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        read = answer.read()
        if answer.getheader("Set-Cookie"):
            self.cookie = answer.getheader("Set-Cookie").split(";")[0]
        return answer.status, answer.headers, read

    def expect(self, status, method, path, body=None):
        found, headers, read = self.ask(method, path, body)
        assert found == status, f"{method} {path}: {found}, not {status}: {read[:500]!r}"
        return headers, read

    def json(self, *asked):
        return json.loads(self.expect(*asked)[1])

    def claim(self, token):
        self.json(201, "POST", "/api/v1/claim", {"claim_token": token, "name": "Ada", "password": PASSWORD})

    def sign_in(self):
        self.expect(201, "POST", "/api/v1/sessions", {"name": "Ada", "password": PASSWORD, "device": "test"})

    def add_camera(self, url, name="door"):
        return self.json(201, "POST", "/api/v1/cameras", {"name": name, "main": {"url": url}})["id"]

    def recorded(self, camera, since=None, within=600):
        """Waits until footage of the camera is on the disk, newer than `since` if given. When it was said to be."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            said = self.json(200, "GET", f"/api/v1/cameras/{camera}")
            last = said.get("last_fragment_at")
            if said.get("recording") and last and (since is None or last > since):
                return last
            time.sleep(1)
        raise AssertionError(f"Not recorded within {within} s: {said}")

    def segments(self, camera):
        """What is recorded, oldest first."""
        now = datetime.now(timezone.utc)
        day = {"from": stamp(now - timedelta(days=1)), "to": stamp(now + timedelta(days=1))}
        return self.json(200, "GET", f"/api/v1/cameras/{camera}/timeline?{urlencode(day)}")["segments"]

    def play(self, camera, segment):
        """A segment as a film: its bytes."""
        span = {"from": segment["start"], "to": segment["end"]}
        film = self.expect(200, "GET", f"/api/v1/cameras/{camera}/playback.mp4?{urlencode(span)}")[1]
        assert film[4:8] == b"ftyp" and b"moof" in film, f"No film: {len(film)} bytes, {film[:16]!r}"
        return film

    def play_back(self, camera):
        """The newest recorded seconds as a film: its bytes."""
        return self.play(camera, self.segments(camera)[-1])


def stamp(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _connect(port):
    import socket

    return socket.create_connection(("127.0.0.1", port), timeout=120)
