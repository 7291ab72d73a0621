#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""plants.py READER IDL_DIR: a product file with a fault planted in it.

Each fault is one that a careless change would make: a check is gone.  No
seed meets it (tests/fuzz/test_fuzz.py sees to that), and each engine must
find it from the seeds within a short run.  Where the text to be replaced
is not there once, the file has changed, and its plant must follow.
"""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

# reader: (file, text, what stands in its place)
PLANTS = {
    # A limit above what any host has is taken.
    "record": ("IDL/_libxl_ext_types_internal_wire.c",
               "if (got.max_pages > 1099511627776ULL)",
               "if (!got.version)"),
    # A configuration that is longer than what holds it.
    "xl_header": ("libxl-ext/api/file.c",
                  "!config_len || config_len > len - 4 ||",
                  "!config_len ||"),
    # A memory record that is longer than the room for it.
    "libxl": ("libxl-ext/api/op_stream.c",
              "if (len > LXE_RECORD_MAX_LEN)", "if (!~len)"),
    # A number of a vcpu that is beyond any.
    "libxc": ("libxl-ext/image/libxc_records.c",
              "if (id >= LXE_IMAGE_VCPUS)", "if (!~id)"),
    # An image that breaks a certain rule is converted all the same.  Not
    # any rule: what AFL++'s driver reads first, "##SI", breaks some.
    "convert": ("libxl-ext/image/convert.c",
                "& 1U << i % 32 && !is_mended(c, i)",
                "& 1U << i % 32 && !is_mended(c, i) &&"
                " i != LXE_RULE_B3"),
    # What is no libxc stream is passed on.
    "relay": ("libxl-ext/stream/relay.c",
              "    if (lxe__libxc_headers_decode(headers, &h,"
              " &relay->err))\n        goto out;\n",
              ""),
    # A message that says it is longer than it is.
    "helper": ("libxl-ext/session/message.c",
               "|| h->len != n - sizeof(*h))", ")"),
    # A number above its bound.
    "policy": ("libxl-ext/memory/policy_file.c",
               "|| *end || n < min || n > max)", "|| *end || n < min)"),
    # A name that leads elsewhere.
    "journal": ("libxl-ext/freeze/journal.c",
                " ||\n        !lxe__jentry_valid(&e, j->domid))", ")"),
    # A key that nobody knows.
    "json": ("libxl-ext/base/json_in.c",
             "        if (k == nr)\n            return refuse_key("
             "in, obj->u.object.keys[i], nr, keys);\n",
             ""),
    # A message that is longer than any.
    "peer": ("libxl-ext/api/peer.c",
             "if (len > LXE_PEER_BODY_MAX)\n        return lxe__err_set("
             "err, EPROTO", "if (!~got)\n        return lxe__err_set("
             "err, EPROTO"),
}


def planted(reader, idl_dir):
    name, old, new = PLANTS[reader]
    path = (Path(idl_dir) / name[4:] if name.startswith("IDL/")
            else TOP / name)
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise SystemExit(f"plants.py: {reader}: {path} has what is to be"
                         f" replaced {text.count(old)} times, not once:"
                         f" {old!r}")
    return f'#line 1 "{path}"\n' + text.replace(old, new)


if __name__ == "__main__":
    print(planted(*sys.argv[1:]), end="")
