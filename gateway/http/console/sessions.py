"""Who is signed in to the console: a signed cookie, which never holds the key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from gateway.http.requests import services
from gateway.records import Key

COOKIE = "gateway_session"
PATH = "/ui"
IDLE_SECONDS = 30 * 60
LONGEST_SECONDS = 12 * 60 * 60
_PURPOSE = "gateway console"
# A cookie is not written anew with each of a page's requests.
_RENEWED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Session:
    """One visit, from before it is signed in; signing in makes another."""

    id: str
    began: int
    key_id: str | None = None
    """Of the admin key it was signed in with."""
    proof: str = ""
    """Of that key's secret: a new secret ends its sessions."""
    seen: int = 0

    @property
    def until(self) -> int:
        """When it is over, however busy."""
        return self.began + LONGEST_SECONDS


class Sessions:
    """Reads and writes the cookie, with keys made of the gateway's secret key."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._keys = services(request).store.vault.derived(_PURPOSE, 32)
        # It signs with the last.
        self._signer = URLSafeTimedSerializer(self._keys[::-1], salt=_PURPOSE)

    async def read(self) -> tuple[Session, Key | None]:
        """The request's session, a new one if it has none, and the key that is signed in."""
        session = self._read()
        if session is None:
            return begun(), None
        if session.key_id is None:
            return session, None
        key = services(self._request).registry.key_by_id(session.key_id)
        good = (
            key is not None
            and key.is_admin
            and key.state(time.time()) == "active"
            and any(hmac.compare_digest(session.proof, proof) for proof in _proofs(key))
        )
        if not good or await services(self._request).store.ended_sessions.has(session.id):
            return begun(), None
        return session, key

    def write(self, response: Response, session: Session) -> None:
        """Have the browser keep the session, if it does not already."""
        now = int(time.time())
        if now - session.seen < _RENEWED_SECONDS:
            return
        said = [session.id, session.began, session.key_id, session.proof]
        response.set_cookie(
            COOKIE,
            self._signer.dumps(said),
            path=PATH,
            secure=over_tls(self._request),
            httponly=True,
            samesite="strict",
        )

    async def end(self, session: Session) -> None:
        """Have its cookie be good no more, wherever it is."""
        ended = services(self._request).store.ended_sessions
        await ended.add(session.id, session.until, int(time.time()))

    def token(self, session: Session) -> str:
        """What each form of the session carries, and nobody else's can."""
        return hmac.new(self._keys[0], session.id.encode(), hashlib.sha256).hexdigest()

    def belongs(self, token: str, session: Session) -> bool:
        """Whether a form is the session's."""
        each = (hmac.new(key, session.id.encode(), hashlib.sha256) for key in self._keys)
        return any(hmac.compare_digest(token.encode(), good.hexdigest().encode()) for good in each)

    def _read(self) -> Session | None:
        try:
            said, seen = self._signer.loads(
                self._request.cookies.get(COOKIE, ""), max_age=IDLE_SECONDS, return_timestamp=True
            )
        except BadSignature:
            return None
        session_id, began, key_id, proof = said
        session = Session(session_id, began, key_id, proof, int(seen.timestamp()))
        return session if time.time() < session.until else None


def begun(key: Key | None = None) -> Session:
    """A new session, signed in with the key."""
    return Session(
        secrets.token_urlsafe(16),
        int(time.time()),
        key.id if key else None,
        _proofs(key)[0] if key else "",
    )


def _proofs(key: Key) -> list[str]:
    """Of the key's secret and, as long as that is good, of the one before."""
    hashes = [key.secret_hash]
    if key.retiring_hash and key.retiring_until and time.time() < key.retiring_until:
        hashes.append(key.retiring_hash)
    return [hashlib.sha256(f"{_PURPOSE} {known}".encode()).hexdigest() for known in hashes]


def over_tls(request: Request) -> bool:
    """Whether the browser's side is encrypted."""
    # Behind a proxy that ends TLS. Whoever makes this up harms nobody but themselves.
    forwarded = request.headers.get("x-forwarded-proto", "")
    return request.url.scheme == "https" or forwarded == "https"
