"""Fetches the wanted image files of a COCO dataset; each is checked once, and must keep its hash."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

from ssdbench.catalog.registry import SINGLE_IMAGES, Images
from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError
from ssdbench.fetch.archive import plain_name, unpack
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import PATIENCE, Patience, Transfer, fetch, new_session, urls_of
from ssdbench.files.disk import disk_errors, locked
from ssdbench.files.reading import read_json
from ssdbench.files.writing import write_json
from ssdbench.images.orientation import Orientation
from ssdbench.images.pixels import check_size, decode_image, read_image, stored_form
from ssdbench.jobs.progress import track

_LOG = logging.getLogger(__name__)

_THREADS = 8
_MAX_IMAGE_BYTES = 64 << 20
_NAMED = 10  # images that a message names
# After this many failures a server is not asked for the rest.
_ENOUGH_FAILURES = 8


def place_images(
    records: Sequence[ImageRecord],
    folder: Path,
    single_image_urls: Sequence[str],
    archive: Images | None,
    downloads: Path,
    checksums: Checksums,
    mirror: str | None = None,
    patience: Patience = PATIENCE,
    orientation: Orientation | None = "stored",
) -> dict[str, str]:
    """Fetch the images of `records` that are missing in `<folder>/images`; return {file_name: sha256 in hex} of all.

    Every image is decoded once, and must have the size that its record states (width 0: unknown), as it is stored or,
    for another `orientation`, in either. The result is kept in `<folder>/images.sha256.json`, {file_name: {sha256,
    size, mtime_ns, width, height}}: an unchanged file is not read again, and a file that is fetched again must have the
    same bytes.

    Up to 1000 missing images are fetched one by one from `single_image_urls` (which contain `{file_name}`). If more are
    missing, or if `downloads` already holds the archive, they are unpacked from the archive.

    Raises:
        UserError: some images could not be fetched (the message says how many, and names the first), or the disk is
            full.
    """
    wanted = {record.file_name: record for record in records}
    for name in wanted:
        if plain_name(name) is None or "/" in name:
            raise UserError(f"Image {name!r} is not a plain file name. Correct the annotations of {folder.name}.")
    ledger = folder / "images.sha256.json"
    with disk_errors(folder), locked(ledger):
        shelf = _Shelf(folder / "images", ledger, orientation)
        try:
            missing = [wanted[name] for name in shelf.faults(wanted.values(), "looking for images")]
            zip_file = downloads / archive.file.name if archive else None
            if archive and zip_file and (len(missing) > SINGLE_IMAGES or (missing and zip_file.exists())):
                fetch(archive.file, zip_file, checksums, mirror, patience)
                names = [f"{archive.folder}/{record.file_name}" for record in missing]
                unpack(zip_file, shelf.images, names, flat=True)
                faults = shelf.faults(missing, "checking images")
            else:
                faults = _fetch_singles(shelf, missing, single_image_urls, mirror, patience)
        finally:
            shelf.save()
    if faults:
        some = ", ".join([*list(faults)[:_NAMED], *(["..."] if len(faults) > _NAMED else [])])
        at_least = "at least " if len(faults) >= _ENOUGH_FAILURES else ""
        raise UserError(
            f"Could not get {at_least}{len(faults)} of {len(wanted)} images of {folder.name} ({some}). "
            f"{next(iter(faults.values()))}"
        )
    return {name: shelf.entries[name].sha256 for name in wanted}


@dataclass(frozen=True)
class _Entry:
    """What was found in an image file, its sides as stored; it holds as long as size and modification time stay."""

    sha256: str
    size: int
    mtime_ns: int
    width: int
    height: int

    def fits(self, record: ImageRecord, orientation: Orientation | None) -> bool:
        """Whether the file has the record's size; `oriented` records are held to it exactly later."""
        sizes = [(self.width, self.height)] + ([(self.height, self.width)] if orientation != "stored" else [])
        return record.width == 0 or (record.width, record.height) in sizes


class _Shelf:
    """The image files of one dataset, and the ledger of what was found in them."""

    def __init__(self, images: Path, ledger: Path, orientation: Orientation | None) -> None:
        self.images, self._ledger, self._orientation = images, ledger, orientation
        images.mkdir(parents=True, exist_ok=True)
        self._before = _read_ledger(ledger)
        self.entries = dict(self._before)

    def faults(self, records: Iterable[ImageRecord], label: str) -> dict[str, str]:
        """What is wrong with the files, by file name; good files are entered in the ledger."""
        records = list(records)
        with ThreadPoolExecutor(_THREADS) as pool:
            faults = list(track(pool.map(self._fault, records), label, len(records)))
        return {record.file_name: fault for record, fault in zip(records, faults, strict=True) if fault}

    def _fault(self, record: ImageRecord) -> str:
        path, entry = self.images / record.file_name, self.entries.get(record.file_name)
        if not path.is_file():
            return f"{path} does not exist."
        status = path.stat()
        if (
            entry
            and entry.fits(record, self._orientation)
            and (entry.size, entry.mtime_ns) == (status.st_size, status.st_mtime_ns)
        ):
            return ""
        return self.enter(path, record)

    def enter(self, path: Path, record: ImageRecord) -> str:
        """Read, hash and decode the file at `path`; enter it for the record, or return what is wrong with it."""
        try:
            status = path.stat()
            data = read_image(path)
            sha256, before = hashlib.sha256(data).hexdigest(), self.entries.get(record.file_name)
            if before and before.sha256 != sha256:
                return (
                    f"{record.file_name} has sha256 {sha256}, but it was {before.sha256} when first fetched "
                    f"(if it was changed on purpose, delete {self._ledger})."
                )
            form, named = stored_form(data, path), self.images / record.file_name
            entry = _Entry(sha256, status.st_size, status.st_mtime_ns, form.width, form.height)
            if not entry.fits(record, self._orientation):
                check_size(form, record, named)
            decode_image(data, replace(record, width=form.width, height=form.height, orientation=1), named)
        except UserError as error:
            return str(error)
        self.entries[record.file_name] = entry
        return ""

    def save(self) -> None:
        """Write the ledger if anything was entered."""
        if self.entries != self._before:
            rows = {name: asdict(entry) for name, entry in sorted(self.entries.items())}
            write_json(self._ledger, rows)


def _read_ledger(ledger: Path) -> Mapping[str, _Entry]:
    if not ledger.exists():
        return {}
    try:
        return {name: _Entry(**row) for name, row in read_json(ledger).items()}
    except (AttributeError, TypeError) as error:
        raise UserError(f"{ledger} does not hold image hashes. Delete it, and the images are checked again.") from error


def _fetch_singles(
    shelf: _Shelf,
    missing: Sequence[ImageRecord],
    templates: Sequence[str],
    mirror: str | None,
    patience: Patience,
) -> dict[str, str]:
    """Fetch images one by one in a few threads; return what went wrong, by file name."""
    faults: dict[str, str] = {}

    def fetch_one(record: ImageRecord) -> None:
        if len(faults) >= _ENOUGH_FAILURES:
            return
        name = record.file_name
        part = shelf.images / f"{name}.part"

        def check(part: Path) -> str:
            fault = shelf.enter(part, record)
            return f"serves a wrong file ({fault.rstrip('.')})" if fault else ""

        transfer = Transfer(
            name, part, None, check, patience, session, trusted=False, limit=_MAX_IMAGE_BYTES, quiet=True
        )
        try:
            urls = [template.replace("{file_name}", quote(name)) for template in templates]
            transfer.run(urls_of(name, urls, mirror))
            part.replace(shelf.images / name)
        except UserError as error:
            faults[name] = str(error)
        finally:
            part.unlink(missing_ok=True)

    with new_session() as session, ThreadPoolExecutor(_THREADS) as pool:
        for _ in track(pool.map(fetch_one, missing), "fetching images", len(missing)):
            pass
    return dict(sorted(faults.items()))
