# SPDX-License-Identifier: LGPL-2.1-only
"""init, dispose and copy of structs; the words of enums."""

import ctext


def default(f):
    if f.type.kind == "enum":
        return f.type.cname(f.default)
    if f.type.kind == "bool":
        return str(f.default).lower()
    return f"{f.default}ULL" if f.default > 2**31 - 1 else str(f.default)


def init(t):
    out = (f"void {t.typename}_init({t.ctype} *p)\n{{\n"
           "    memset(p, 0, sizeof(*p));\n")
    for f in t.fields:
        if f.default is not None:
            out += f"    p->{f.name} = {default(f)};\n"
        elif f.type.kind == "struct":
            out += f"    {f.type.typename}_init(&p->{f.name});\n"
    return out + "}\n\n"


def free_field(f):
    if f.type.kind == "string":
        return f"    free(p->{f.name});\n"
    if f.type.kind == "struct":
        return f"    {f.type.typename}_dispose(&p->{f.name});\n"
    return (f"    for (i = 0; i < p->num_{f.name}; i++)\n"
            f"        {f.type.elem.typename}_dispose(&p->{f.name}[i]);\n"
            f"    free(p->{f.name});\n")


def dispose(t):
    out = f"void {t.typename}_dispose({t.ctype} *p)\n{{\n"
    if t.of_kind("array"):
        out += "    uint32_t i;\n\n"
    out += "".join(free_field(f)
                   for f in t.of_kind("string", "struct", "array"))
    return out + f"    {t.typename}_init(p);\n}}\n\n"


def copy_array(f):
    n = f.name
    # The count goes up with what is there, for dispose to see.
    return (f"    if (src->num_{n}) {{\n"
            f"        dst->{n} = calloc(src->num_{n},"
            f" sizeof(*dst->{n}));\n"
            f"        if (!dst->{n})\n"
            "            goto out;\n"
            "    }\n"
            f"    for (; dst->num_{n} < src->num_{n}; dst->num_{n}++)\n" +
            ctext.call(f"if ({f.type.elem.typename}_copy",
                       [f"&dst->{n}[dst->num_{n}]",
                        f"&src->{n}[dst->num_{n}]"], ")", 8) +
            "            goto out;\n")


def copy_field(f):
    n = f.name
    if f.type.kind == "array":
        return copy_array(f)
    if f.type.kind == "uuid":
        return f"    memcpy(dst->{n}, src->{n}, sizeof(dst->{n}));\n"
    if f.type.kind == "string":
        return (f"    if (src->{n} && !(dst->{n} = strdup(src->{n})))\n"
                "        goto out;\n")
    if f.type.kind == "struct" and f.type.owns_memory:
        return (f"    if ({f.type.typename}_copy(&dst->{n}, &src->{n}))\n"
                "        goto out;\n")
    return f"    dst->{n} = src->{n};\n"


def copy(model, t):
    fails = "ERROR_NOMEM" if model.public else "-1"
    out = ctext.call(f"int {t.typename}_copy",
                     [f"{t.ctype} *dst", f"const {t.ctype} *src"], "", 0)
    body = "".join(copy_field(f) for f in t.fields)
    if not t.owns_memory:
        return (out + "{\n" + f"    {t.typename}_init(dst);\n" + body +
                "    return 0;\n}\n\n")
    return (out + f"{{\n    int rc = {fails};\n\n"
            f"    {t.typename}_init(dst);\n" + body + "    rc = 0;\n\n"
            " out:\n    if (rc)\n"
            f"        {t.typename}_dispose(dst);\n    return rc;\n}}\n\n")


def to_string(t):
    out = (f"const char *{t.typename}_to_string({t.ctype} e)\n{{\n"
           "    switch (e) {\n")
    for v in t.values:
        out += f"    case {v.cname}:\n        return \"{v.word}\";\n"
    return out + "    }\n    return NULL;\n}\n\n"


def from_string(t):
    out = ctext.call(f"int {t.typename}_from_string",
                     ["const char *text", f"{t.ctype} *e"], "", 0)
    out += (f"{{\n    static const {t.ctype} all[] = {{\n" +
            "".join(f"        {v.cname},\n" for v in t.values) +
            "    };\n    size_t i;\n\n"
            "    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)\n"
            f"        if (!strcmp(text, {t.typename}_to_string(all[i])))"
            " {\n            *e = all[i];\n            return 0;\n"
            "        }\n")
    return out + "    return ERROR_INVAL;\n}\n\n"


def generate(model):
    out = ctext.head(model, "init, dispose and copy of structs; the words"
                     " of enums.")
    out += "#include <stdlib.h>\n#include <string.h>\n"
    if model.public:
        out += "#include <libxl.h>\n"
    out += f'\n#include "_{model.stem}.h"\n\n'
    out += "".join(to_string(t) + from_string(t)
                   for t in model.enums)
    out += "".join(init(t) + dispose(t) + copy(model, t)
                   for t in model.structs)
    return out.rstrip("\n") + "\n"
