"""Addresses of uploaded files: one that names a file for good, and signed ones that serve it for a while."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

FILES_PATH = "/media/files/"
SIGNED_PATH = "/media/signed/"
SIGNED_LIFE = timedelta(hours=48)
"""Platforms fetch for up to a day after they were told an address."""
ROUNDED_SECONDS = 3600
"""Signed addresses made within an hour are alike, so that caches and repeated calls see the same one."""
NAME_MAX_CHARS = 60
EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/heic": "heic",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
}
_NAME = re.compile(r"[A-Za-z0-9_-]+\.[a-z0-9]{2,4}")


class Addresses:
    """Makes and checks addresses of uploaded files and renditions."""

    def __init__(self, *, public_base: str, secret: str) -> None:
        self._public_base = public_base
        self._key = hmac.new(secret.encode(), b"signed media addresses", hashlib.sha256).digest()

    def reference(self, file_id: UUID, name: str) -> str:
        """Return the address that names a file in a post. It opens nothing by itself."""
        return f"{self._public_base}{FILES_PATH}{file_id}/{name}"

    def signed(self, file_id: UUID, name: str, *, now: datetime) -> str:
        """Return an address that serves the file to anybody for at least 48 hours."""
        until = (now + SIGNED_LIFE).timestamp()
        expires = (int(until) // ROUNDED_SECONDS + 1) * ROUNDED_SECONDS
        signature = self._sign(file_id, expires, name)
        return f"{self._public_base}{SIGNED_PATH}{file_id}/{expires}/{signature}/{name}"

    def is_signed(self, file_id: UUID, expires: int, signature: str, name: str, *, now: datetime) -> bool:
        """Whether we made this address and it has not expired."""
        right = hmac.compare_digest(self._sign(file_id, expires, name).encode(), signature.encode())
        return right and expires > now.timestamp()

    def _sign(self, file_id: UUID, expires: int, name: str) -> str:
        message = f"{file_id}/{expires}/{name}".encode()
        digest = hmac.new(self._key, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def referenced(url: str) -> UUID | None:
    """Return the file that an address names, whatever `PUBLIC_URL` was when it was made. Only the one spelling that
    we give out counts: it is what a file that posts use is recognised by."""
    if FILES_PATH not in url:
        return None
    try:
        path = urlsplit(url).path
        folder, file_id, name = path[path.index(FILES_PATH) :].rsplit("/", 2)
        found = UUID(file_id)
    except ValueError:
        return None
    is_ours = folder + "/" == FILES_PATH and _NAME.fullmatch(name) and f"{FILES_PATH}{found}/{name}" in url
    return found if is_ours else None


def plain_name(file_name: str, mime_type: str) -> str:
    """Return a name of plain letters that ends as the type wants it: `Café déjà vu.PNG` → `Cafe-deja-vu.png`."""
    last = re.split(r"[/\\]", file_name)[-1]
    stem = last.rpartition(".")[0] or last
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9_]+", "-", ascii_only)[:NAME_MAX_CHARS].strip("-")
    return f"{kept or 'file'}.{EXTENSIONS[mime_type]}"
