"""The ZIP file under a bundle, read as if a stranger had sent it.

In:  the bytes of a file.
Out: its members, by name, each within its limit.

Only the names in `LIMITS` are read; everything else about the archive (other names,
duplicates, encryption, sizes, ratios, checksums) is checked first and refused with a
`BundleError`. Writing gives the same bytes for the same members.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping

from waymark.errors import BundleError

MIB = 1 << 20
# Members a bundle may have, with the most bytes each may unpack to.
LIMITS = {
    "bundle.json": 8 * MIB,
    "model.onnx": 400 * MIB,
    "statistics.safetensors": 200 * MIB,
    "backbone.safetensors": 400 * MIB,
    "README.md": 8 * MIB,
    "NOTICE": 8 * MIB,
}
MAX_TOTAL = 512 * MIB
MAX_RATIO = 100  # a compressed text shrinks 3 to 10 times; a bomb 1,000 times
SMALL = 64 * 1024  # below this size a high ratio does no harm
_DEFLATED = (".json", ".md", "NOTICE")  # weights hardly shrink, and stored ones load faster
_WHEN = (1980, 1, 1, 0, 0, 0)  # the earliest time that ZIP can hold
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
    OSError,
)
_AGAIN = "Get the file again from where it came from, or make it again with `waymark train`."


def unpack(data: bytes, where: str) -> dict[str, bytes]:
    """Read the members of a bundle.

    Args:
        data: the whole file.
        where: the file's path, for messages.

    Returns:
        The bytes of each member, by name.

    Raises:
        BundleError: if this is no ZIP, is damaged, or breaks a limit.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check(members, where)
            return {member.filename: _read(archive, member, where) for member in members}
    except _DAMAGE as error:
        raise BundleError(f"{where} is not a whole bundle ({error}). {_AGAIN}") from error


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return the ZIP of the members; equal members give equal bytes.

    Raises:
        BundleError: if a member's name is not one of a bundle, or it is over its limit.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, limit in LIMITS.items():
            if name not in members:
                continue
            if len(members[name]) > limit:
                raise BundleError(_too_large(name, len(members[name]), "the new bundle"))
            info = zipfile.ZipInfo(name, _WHEN)
            info.external_attr = 0o644 << 16
            stored = not name.endswith(_DEFLATED)
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, members[name])
    if strange := sorted(set(members) - set(LIMITS)):
        raise BundleError(f"a bundle has no members {strange}; it may have {sorted(LIMITS)}.")
    return out.getvalue()


def _check(members: list[zipfile.ZipInfo], where: str) -> None:
    names = [member.filename for member in members]
    if strange := sorted({name for name in names if name not in LIMITS})[:5]:
        raise BundleError(
            f"{where} has members that no bundle has ({', '.join(map(ascii, strange))}); "
            f"only {', '.join(LIMITS)} are read. Do not use this file."
        )
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise BundleError(f"{where} has {', '.join(twice)} more than once. Do not use this file.")
    for member in members:
        name, size = member.filename, member.file_size
        if member.flag_bits & 0x1:
            raise BundleError(f"{name} in {where} is encrypted; bundles never are.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"{name} in {where} is packed in a way that bundles do not use.")
        if size > LIMITS[name]:
            raise BundleError(_too_large(name, size, where))
        if size > SMALL and size > MAX_RATIO * max(member.compress_size, 1):
            raise BundleError(
                f"{name} in {where} unpacks to over {MAX_RATIO} times its size, "
                "as only a decompression bomb does. Do not use this file."
            )
    if (total := sum(member.file_size for member in members)) > MAX_TOTAL:
        raise BundleError(
            f"{where} unpacks to {total // MIB} MiB; at most {MAX_TOTAL // MIB} are read."
        )


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    with archive.open(member) as file:
        data = file.read(member.file_size + 1)
    if len(data) != member.file_size:
        raise BundleError(f"{member.filename} in {where} is cut short. {_AGAIN}")
    return data


def _too_large(name: str, size: int, where: str) -> str:
    return (
        f"{name} in {where} is {size / MIB:.0f} MiB; at most {LIMITS[name] // MIB} MiB are read. "
        "Use a smaller backbone."
    )
