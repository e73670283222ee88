"""Files that this installation serves itself, under `PUBLIC_URL/media/`."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

SAMPLES = Path(__file__).resolve().parents[1] / "assets" / "samples"
SAMPLES_PATH = "/media/samples/"
LOANS_PATH = "/media/loans/"
_PUBLICATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OwnFiles:
    """Finds our own files by their public address, and keeps copies of remote ones."""

    def __init__(self, *, public_base: str, data_dir: Path) -> None:
        self._public_base = public_base
        self._copies = data_dir / "media" / "copies"

    def url_of_sample(self, name: str) -> str:
        return f"{self._public_base}{SAMPLES_PATH}{name}"

    def url_of_loan(self, token: str, name: str) -> str:
        return f"{self._public_base}{LOANS_PATH}{token}/{name}"

    def find(self, url: str) -> Path | None:
        """Return the file behind an address of ours, or `None` when the address is not ours or names nothing."""
        prefix = self._public_base + SAMPLES_PATH
        if not url.startswith(prefix):
            return None
        return self.sample(url[len(prefix) :])

    def is_ours(self, url: str) -> bool:
        return url.startswith(self._public_base + "/media/")

    @staticmethod
    def sample(name: str) -> Path | None:
        """Return a sample by its plain file name."""
        path = SAMPLES / name
        return path if path.parent == SAMPLES and path.suffix in (".jpg", ".mp4") and path.is_file() else None

    def copy_path(self, publication_id: UUID, url: str) -> Path:
        """Return where one publication's copy of a remote file lies: the next one fetches it anew."""
        return self._copies / str(publication_id) / hashlib.sha256(url.encode()).hexdigest()

    def forget_copies(self, publication_id: UUID) -> None:
        """Remove the copies of a publication that has ended."""
        shutil.rmtree(self._copies / str(publication_id), ignore_errors=True)

    def copied(self) -> list[UUID]:
        """Return the publications that there are copies for."""
        folders = list(self._copies.iterdir()) if self._copies.is_dir() else []
        return [UUID(folder.name) for folder in folders if _PUBLICATION.fullmatch(folder.name)]

    @contextmanager
    def new_copy(self, publication_id: UUID, url: str) -> Iterator[Path]:
        """Give a path to write a copy to. It becomes the copy when all went well: readers never see half of one."""
        path = self.copy_path(publication_id, url)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)
        os.close(descriptor)
        written = Path(name)
        try:
            yield written
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
