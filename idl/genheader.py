# SPDX-License-Identifier: LGPL-2.1-only
"""The header: enums, structs, and what can be done with each."""

import ctext

FAILS = {
    True: "returns 0, or a libxl error code (ERROR_NOMEM)",
    False: "returns 0, or -1 with errno",
}

CONTRACT = """\
For each struct T:

T_init() sets every field to its default, whatever was there before. \
T_dispose() frees what T owns, not T itself, and leaves it as T_init() \
does, so that it can be called twice. T_copy() initialises dst first and \
copies all that src owns; it %s, and dst is then as T_init() leaves it.

T_to_json() returns text that the caller frees, or NULL with errno: EINVAL \
for an enum field without a word, ENOMEM, or EILSEQ where a string that "must \
be UTF-8" is not; in any other string each octet that is not part of UTF-8 \
becomes a ?. T_from_json() initialises p first; a field that is missing keeps \
its default. %s p is then as T_init() leaves it."""

JSON_FAILS = {
    True: "It returns 0, or ERROR_INVAL or ERROR_NOMEM; *error_r (where"
          " error_r is not NULL) is then one line that names type, field,"
          " value and bound, which the caller frees, or NULL for want of"
          " memory.",
    False: "It returns 0, or -1 with errno and one line in err that names"
           " type, field, value and bound.",
}

ENUM_CONTRACT = """\
For each enum E: E_to_string() returns the word, which is not to be freed, \
or NULL for a number that has none. E_from_string() returns 0, or \
ERROR_INVAL where the text is none of the words, and e is then untouched."""


def field_text(f):
    text = f.doc
    if f.unit:
        text += f" ({f.unit})"
    if f.type.kind == "uint" and (f.min or f.max != f.type.max):
        text += f"; from {f.min} to {f.max}"
    if f.exact:
        text += "; must be UTF-8"
    if f.default is not None:
        text += f"; default {str(f.default).lower()}"
    return text


def declare(f):
    if f.type.kind == "array":
        return (f"    uint32_t num_{f.name};\n"
                f"    {f.type.elem.ctype} *{f.name};\n")
    if f.type.kind == "uuid":
        return f"    uint8_t {f.name}[16];\n"
    star = "" if f.type.ctype.endswith("*") else " "
    return f"    {f.type.ctype}{star}{f.name};\n"


def flag_macros(f):
    return "".join(
        ctext.comment(doc.replace("`", ""), 4) +
        f"#define {f.type.prefix}{name} (1U << {bit})\n"
        for bit, name, doc in f.type.bits)


def enum(t):
    out = ctext.comment(t.doc) + "typedef enum {\n"
    # No comma at the end: C++98 has none there.
    out += ",\n".join(ctext.comment(v.doc, 4) + f"    {v.cname} ="
                      f" {v.number}" for v in t.values)
    return out + f"\n}} {t.ctype};\n\n"


def struct(t):
    out = ctext.comment(t.doc) + f"typedef struct {t.ctype} {{\n"
    for f in t.fields:
        if hasattr(f.type, "bits"):
            out += flag_macros(f)
        if field_text(f):
            out += ctext.comment(field_text(f).replace("`", ""), 4)
        out += declare(f)
    return out + f"}} {t.ctype};\n\n"


def enum_functions(t):
    return (f"const char *{t.typename}_to_string({t.ctype} e);\n" +
            ctext.call(f"int {t.typename}_from_string",
                       ["const char *text", f"{t.ctype} *e"], indent=0))


def error_param(model):
    return "char **error_r" if model.public else "struct lxe__err *err"


def struct_functions(model, t):
    name, c = t.typename, t.ctype
    return (f"void {name}_init({c} *p);\n"
            f"void {name}_dispose({c} *p);\n" +
            ctext.call(f"int {name}_copy", [f"{c} *dst", f"const {c} *src"],
                       indent=0) +
            f"char *{name}_to_json(const {c} *p);\n" +
            ctext.call(f"int {name}_from_json",
                       [f"{c} *p", "const char *json", error_param(model)],
                       indent=0))


def wire_part(t):
    m = t.macro
    out = ctext.comment(
        f"The wire form, version {t.wire.version}: its length and where"
        " each field is. All integers are little-endian.")
    out += (f"#define {m}_WIRE_VERSION {t.wire.version}\n"
            f"#define {m}_WIRE_LEN {t.octets}\n")
    for f in t.fields:
        out += f"#define {m}_AT_{f.name} {f.at}\n"
    out += "\n" + ctext.comment(
        f"Writes {m}_WIRE_LEN octets to buf; nothing is checked.")
    out += f"void {t.typename}_encode(const {t.ctype} *r, void *buf);\n\n"
    out += ctext.comment(
        "Checks and decodes len octets: length, version, flags, and each"
        " number against its bounds. Fails with EPROTO and a line that"
        " names the field, its value and the bound; r is then untouched.")
    return out + ctext.call(
        f"int {t.typename}_decode",
        ["const void *buf", "size_t len", f"{t.ctype} *r",
         "struct lxe__err *err"], indent=0)


def includes(model):
    out = "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n"
    return out + ("" if model.public else '\n#include "base/err.h"\n')


# Objects are compiled with hidden visibility; what users of the library
# call is not.  C++ users need the linkage said.
OPEN = """
#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

"""
CLOSE = """
#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
"""


def generate(model):
    guard = f"{model.stem.upper()}_H"
    if not model.public:
        guard = guard.replace("LIBXL_EXT", "LXE")
    out = ctext.head(model, model.doc)
    out += f"#ifndef {guard}\n#define {guard}\n\n" + includes(model)
    out += OPEN if model.public else "\n"
    out += "".join(enum(t) if t.kind == "enum" else struct(t)
                   for t in model.types)
    public = model.public
    if model.enums:
        out += ctext.comment(ENUM_CONTRACT)
        out += "\n".join(enum_functions(t) for t in model.enums) + "\n"
    out += ctext.comment(CONTRACT % (FAILS[public], JSON_FAILS[public]))
    out += "\n".join(struct_functions(model, t) for t in model.structs)
    out += "".join("\n" + wire_part(t) for t in model.wires)
    return out + (CLOSE if public else "") + "\n#endif\n"
