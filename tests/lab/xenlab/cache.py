# SPDX-License-Identifier: LGPL-2.1-only
"""Artefacts in the cache: built once, whole or not at all.

An artefact is a directory named <kind>-<hash of what defines it>. It is
filled under a temporary name, gets a manifest with size and checksum of
each file, and is renamed at the end. One whose manifest is missing or
does not fit is thrown away and built anew.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

from . import paths
from .proc import locked, say

MANIFEST = "manifest.json"


def digest(*parts):
    """Hash of strings, JSON values and files (content, not name)."""
    h = hashlib.sha256()
    for p in parts:
        data = (p.read_bytes() if isinstance(p, Path)
                else json.dumps(p, sort_keys=True).encode())
        h.update(f"{len(data)}:".encode())
        h.update(data)
    return h.hexdigest()[:16]


def _sha(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _files(where):
    return sorted(p for p in where.rglob("*")
                  if p.is_file() and p.name != MANIFEST)


def _write_manifest(where):
    entries = {str(p.relative_to(where)):
               {"size": p.stat().st_size, "mtime_ns": p.stat().st_mtime_ns,
                "sha256": _sha(p)} for p in _files(where)}
    tmp = where / (MANIFEST + ".tmp")
    tmp.write_text(json.dumps(entries, indent=1))
    os.replace(tmp, where / MANIFEST)


def why_broken(where):
    """None for a whole artefact, else what is wrong with it.

    A file whose size and time are those of the manifest is trusted;
    reading gigabytes at each start would cost more than a lab.
    """
    try:
        entries = json.loads((where / MANIFEST).read_text())
        for name, e in entries.items():
            st = (where / name).stat()
            if st.st_size != e["size"]:
                return f"{name} has {st.st_size} bytes, not {e['size']}"
            if st.st_mtime_ns != e["mtime_ns"] and \
               _sha(where / name) != e["sha256"]:
                return f"{name} has another checksum"
    except (OSError, ValueError, KeyError, TypeError) as e:
        return f"{type(e).__name__}: {e}"
    return None


def artefact(name, build, what):
    """The directory of artefact `name`, built by build(dir) if need be."""
    root = paths.cache_root()
    where = root / name
    if why_broken(where) is None:
        return where
    with locked(root / f"{name}.lock"):
        if where.exists():
            broken = why_broken(where)
            if broken is None:          # somebody else has built it
                return where
            say(f"{what} in the cache is broken ({broken}): rebuilding")
            shutil.rmtree(where)
        tmp = root / f"{name}.tmp"
        shutil.rmtree(tmp, ignore_errors=True)
        tmp.mkdir(parents=True)
        try:
            build(tmp)
            _write_manifest(tmp)
            os.replace(tmp, where)
        except BaseException:
            keep = paths.kept_root() / f"build-{name}"
            shutil.rmtree(keep, ignore_errors=True)
            keep.mkdir(parents=True)
            for log in tmp.glob("*.log"):
                shutil.copy(log, keep)
            shutil.rmtree(tmp, ignore_errors=True)
            say(f"building {what} failed; logs kept in {keep}")
            raise
    return where
