#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Golden streams: images that every later version must read as the one
did that they came with; golden/README.md has the rules.

golden.py expect FILE...   writes FILE's expected facts, NAME.json
golden.py synthetic        writes the streams of build_image.py that
                           are not there yet, and their facts
golden.py take FILE...     the same for streams from elsewhere, such as
                           those that tests/lab/scenarios/test_golden.py
                           leaves in build/golden

Neither replaces a file that is there: what is expected never changes.
"""

import json
import lzma
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
FOLDER = HERE / "golden"
XL_EXT = HERE.parent.parent / "build" / "release" / "xl-ext"

# Those with "header" have one in HVM_CONTEXT that Xen takes; the four
# before them have not: B16.
HVM = {
    "hvm-v2": {"version": 2, "verify": True, "live": True},
    "hvm-both": {"record": "MANDATORY", "carrier": "both", "live": True},
    "pvh-libxc": {"guest": "pvh", "record": "OPTIONAL", "live": True},
    "pvh-libxl": {"guest": "pvh", "record": "MANDATORY",
                  "carrier": "libxl", "live": True},
}
SYNTHETIC = HVM | {f"{name}-header": kw for name, kw in HVM.items()} | {
    "pv-libxl": {"guest": "pv", "record": "MANDATORY", "carrier": "libxl",
                 "container": "libxl"},
    # Without the fourth entry of its root: G12.
    "pv32-v2-libxc": {"guest": "pv", "width": 4, "version": 2,
                      "record": "MANDATORY"},
    "pv32-v2-fourth": {"guest": "pv", "width": 4, "version": 2,
                       "record": "MANDATORY"},
}


def streams():
    return sorted(p for p in FOLDER.iterdir() if p.suffix in (".xz", ".zst"))


def facts_of(path):
    return path.with_suffix(".json")


def unpacked(path):
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    return subprocess.run(["zstd", "-dcq", path], check=True,
                          stdout=subprocess.PIPE).stdout


def packed(data):
    """As *.xz.  A stream of an HVM guest has 8 octets for each of a
    million frame numbers, one above the other: of their differences
    next to nothing is left."""
    tries = [[], [{"id": lzma.FILTER_DELTA, "dist": 8}]]
    return min((lzma.compress(data, filters=[*first, {
        "id": lzma.FILTER_LZMA2, "preset": 9}]) for first in tries), key=len)


def put(path, data):
    with open(path, "xb") as f:
        f.write(data)
    print(path.name)


def without_words(facts):
    """Lines for people may be put better by a later version."""
    for who in facts["restores"].values():
        del who["reason"]
    for fault in facts["faults"]:
        del fault["text"]
    return facts


def expect(path):
    p = subprocess.run([XL_EXT, "image", "inspect", "--json", "-"],
                       input=unpacked(path), check=False,
                       stdout=subprocess.PIPE)
    facts = {"status": p.returncode,
             "inspect": without_words(json.loads(p.stdout))}
    put(facts_of(path), json.dumps(facts, indent=1).encode() + b"\n")


def synthetic():
    import build_image as b
    for name, kw in SYNTHETIC.items():
        path = FOLDER / f"synthetic-{name}.xz"
        if path.exists():
            continue
        kw = kw | {"record": getattr(b, kw["record"])
                   if "record" in kw else None}
        put(path, lzma.compress(b.build(**kw).bytes(),
                                preset=9 | lzma.PRESET_EXTREME))
        expect(path)


def take(names):
    for name in map(Path, names):
        path = FOLDER / name.name
        if path.exists():
            print(f"{path.name}: there already, left alone")
            continue
        put(path, name.read_bytes())
        expect(path)


def main(argv):
    if argv[1:] == ["synthetic"]:
        synthetic()
        return 0
    if argv[1:2] == ["take"] and argv[2:]:
        take(argv[2:])
        return 0
    if argv[1:2] != ["expect"] or not argv[2:]:
        print(__doc__, file=sys.stderr)
        return 2
    for name in argv[2:]:
        path = FOLDER / Path(name).name
        if path.suffix not in (".xz", ".zst") or not path.exists():
            print(f"golden.py: {path}: no *.xz or *.zst in {FOLDER}",
                  file=sys.stderr)
            return 2
        expect(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
