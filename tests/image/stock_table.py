#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Which damages stock's verify-stream-v2 notices.

stock_table.py [--update]     prints the table of docs/image.md, or puts
                              it there

Runs Debian's script, as "make stock" unpacks it, on every damage of
damages.py; it takes the format on its command line and finds its modules
next to it.  Exit status 1 where it is not there.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
STOCK = HERE.parent.parent / "build" / "stock" / "usr" / "lib"
NONE = f"no verify-stream-v2 in {STOCK}: run make stock"
DOCS = HERE.parent.parent / "docs" / "image.md"
BEGIN, STOP = "<!-- stock table: begin -->", "<!-- stock table: end -->"


def find_stock():
    """(version, script, environment), or None."""
    found = list(STOCK.glob("xen-*/bin/verify-stream-v2"))
    if not found:
        return None
    root = found[0].parent.parent
    env = os.environ | {"PYTHONPATH": str(root / "lib" / "python"),
                        "PYTHONDONTWRITEBYTECODE": "1"}
    return root.name.removeprefix("xen-"), found[-1], env


def run_stock(stock, data, container="xl"):
    """Its exit status and the last line that it said."""
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        p = subprocess.run(
            ["/usr/bin/python3", "-W", "ignore", stock[1], "-i", f.name, "-f",
             container], env=stock[2], check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
    said = [line for line in p.stdout.splitlines()
            if line.strip() and "Please fix" not in line]
    return p.returncode, said[-1].strip() if said else ""


def without_xenstore(im):
    """verify-stream-v2 refuses every record of that type, see docs."""
    im.parts = [p for p in im.parts if p.name != "XENSTORE"]
    return im


def form(d):
    """The format that the script is told; it knows no file of libvirt."""
    container = d.build.get("container", "xl")
    return "xl" if container == "libvirt" else container


def table(stock):
    import build_image as b
    from damages import DAMAGES
    rows, noticed = [], 0
    for d in DAMAGES:
        base = b.build(**d.build)
        if d.name.startswith("emulator data"):
            verdict = "every such record is refused"
        else:
            im = b.build(**d.build)
            d.do(im)
            data = without_xenstore(im).bytes() + d.tail
            whole = run_stock(stock, without_xenstore(base).bytes(),
                              form(d))
            status = run_stock(stock, data, form(d))[0]
            if whole[0]:
                verdict = "refuses the whole image too"
            else:
                verdict = "yes" if status else "no"
        noticed += verdict == "yes"
        rows.append(f"| {d.name} | {d.rule} | {verdict} |")
    return [f"{len(DAMAGES)} damages; verify-stream-v2 of Xen {stock[0]}"
            f" notices {noticed}.", "",
            "| damage | rule | verify-stream-v2 |", "| --- | --- | --- |",
            *rows]


def main(argv):
    stock = find_stock()
    if not stock:
        print(f"stock_table.py: {NONE}", file=sys.stderr)
        return 1
    text = "\n".join(table(stock))
    if argv[1:] != ["--update"]:
        print(text)
        return 0
    docs = DOCS.read_text()
    head, rest = docs.split(BEGIN)
    tail = rest.split(STOP)[1]
    DOCS.write_text(f"{head}{BEGIN}\n{text}\n{STOP}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
