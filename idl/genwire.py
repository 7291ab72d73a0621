# SPDX-License-Identifier: LGPL-2.1-only
"""The wire form: C that encodes and decodes it, and its table for docs.

A decoder looks at the version before the length, so that a newer sender
is named as such; then at the length; then at each field in the order of
the octets.
"""

import ctext


def encode(t):
    out = (f"void {t.typename}_encode(const {t.ctype} *r, void *buf)\n{{\n"
           "    uint8_t *b = buf;\n\n")
    for f in t.fields:
        at = f"b + {t.macro}_AT_{f.name}"
        if f.type.kind == "uuid":
            out += f"    memcpy({at}, r->{f.name}, 16);\n"
        else:
            out += ctext.call(f"lxe__put_le{f.type.width}",
                              [at, f"r->{f.name}"])
    return out + "}\n\n"


def refuse(test, text, args):
    """An if that ends the decoder with one line."""
    return (f"    if ({test})\n"
            "        return lxe__err_set(err, EPROTO,\n            " +
            text + "".join(",\n            " + a for a in args) + ");\n")


def split(*pieces):
    return "\n            ".join(pieces)


def check_version(t):
    what, last = t.wire.what, t.wire.version
    return (refuse("len < sizeof(uint32_t)", split(
        f'"{what}: length %zu is below the %zu bytes of its"',
        '" version field: it is cut short"'), ["len", "sizeof(uint32_t)"]) +
        "    got.version = lxe__get_le32(b);\n" +
        refuse("!got.version", split(
            f'"{what}: version 0; the first is 1: the record is"',
            '" damaged"'), []) +
        refuse(f"got.version > {last}", split(
            f'"{what}: version %u is newer than {last}, the newest"',
            '" known here: update libxl-ext on this host"'),
            ["got.version"]))


def check_length(t):
    n = f"{t.macro}_WIRE_LEN"
    return refuse(f"len != {n}", split(
        f'"{t.wire.what}: length %zu is not the %d bytes of version"',
        '" %u: it is %s"'),
        ["len", n, "got.version",
         f'len < {n} ? "cut short" : "too long"'])


def get(t, f):
    at = f"b + {t.macro}_AT_{f.name}"
    if f.type.kind == "uuid":
        return f"    memcpy(got.{f.name}, {at}, 16);\n"
    return ctext.call(f"got.{f.name} = lxe__get_le{f.type.width}", [at])


def check_flags(t, f):
    return refuse(f"got.{f.name} & ~{f.max:#x}U", split(
        f'"{t.wire.what}: {f.name} 0x%x has bits outside"',
        f'" {f.max:#x}: update libxl-ext on this host"'),
        [f"got.{f.name}"])


def check_bounds(t, f):
    what, n, out = f"{t.wire.what}: {f.name}", f"got.{f.name}", ""
    wide = f"(uint64_t){n}" if f.type.width == 32 else n
    if f.min:
        out += refuse(f"{n} < {f.min}", split(
            f'"{what} is %"PRIu64", at least {f.min} is"',
            '" needed: the record is damaged"'), [wide])
    if f.all_ones:
        out += refuse(f"{n} == UINT{f.type.width}_MAX", split(
            f'"{what} is all ones, which would be"',
            f'" {f.all_ones}; at most {f.max} is taken:"',
            '" the record is damaged"'), [])
    if f.max < f.type.top:
        out += refuse(f"{n} > {f.max}ULL", split(
            f'"{what} %"PRIu64" is above the"',
            f'" bound of {f.max}: the record is damaged"'), [wide])
    return out


def check_field(t, f):
    if f.type.kind == "uuid" or f.name == "version":
        return ""
    return (check_flags if hasattr(f.type, "bits") else check_bounds)(t, f)


def decode(t):
    out = ctext.call(f"int {t.typename}_decode",
                     ["const void *buf", "size_t len", f"{t.ctype} *r",
                      "struct lxe__err *err"], "", 0)
    out += (f"{{\n    const uint8_t *b = buf;\n    {t.ctype} got;\n\n" +
            "    memset(&got, 0, sizeof(got));\n" +
            check_version(t) + check_length(t))
    out += "".join(get(t, f) for f in t.fields[1:])
    out += "".join(check_field(t, f) for f in t.fields)
    return out + "    *r = got;\n    return 0;\n}\n\n"


def generate(model):
    out = ctext.head(model, "The wire form of structs.")
    out += ("#include <errno.h>\n#include <inttypes.h>\n"
            "#include <string.h>\n\n#include \"base/bytes.h\"\n"
            f'#include "_{model.stem}.h"\n\n')
    out += "".join(encode(t) + decode(t) for t in model.wires)
    return out.rstrip("\n") + "\n"


# ---- for docs/ --------------------------------------------------------

BIND = "+-----------------------+-------------------------+"
OPEN = "+-------------------------------------------------+"


def diagram_rows(t):
    """Rows of eight octets: the offset and the fields in them."""
    rows = {}
    for f in t.fields:
        rows.setdefault(f.at // 8 * 8, []).append(f)
    return rows.items()


def diagram(t):
    pad = " " * 8
    out = [pad + " 0     1     2     3     4     5     6     7 octet"]
    above = None
    for at, fields in diagram_rows(t):
        halves = len(fields) == 2
        rule = BIND if halves or above else OPEN
        out += [pad + rule]
        names = ([f"{fields[0].name:21} | {fields[1].name:23}"] if halves
                 else [f"{fields[0].name:47}"])
        out += [f"{at:7} | {names[0]} |"]
        if fields[0].type.octets == 16:
            out += [f"{pad}| {'':47} |"]
        above = halves
    return "\n".join(out + [pad + (BIND if above else OPEN)]) + "\n"


def power(n):
    return f"2^{n.bit_length() - 1}" if n > 9 and not n & (n - 1) else n


def valid(f):
    if f.type.kind == "uuid" or f.max == f.type.top:
        return "any"
    if f.min == f.max:
        return str(f.min)
    return f"{f.min} to {power(f.max)}"


def meaning(f):
    if not hasattr(f.type, "bits"):
        return f.doc
    named = [f"bit {bit} `{name}`: {doc}" for bit, name, doc in f.type.bits]
    return "; ".join(named + [f"bits {len(named)} to {f.type.width - 1}"
                              " are zero"])


def table(t):
    out = ["| offset | size | field | unit | meaning | valid |",
           "| --- | --- | --- | --- | --- | --- |"]
    for f in t.fields:
        unit = "octets" if f.type.kind == "uuid" else f.unit
        cells = [f.at, f.type.octets, f"`{f.name}`", unit, meaning(f),
                 valid(f)]
        out.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(out).replace("|  |", "| |") + "\n"


def document(model):
    return "\n".join(diagram(t) + "\n" + table(t) for t in model.wires)
