# SPDX-License-Identifier: LGPL-2.1-only
"""To and from JSON, on the functions of libxl-ext/base/json.h."""

import ctext


def put_value(t, expr):
    k = t.kind
    if k == "struct":
        return [f"put_{t.rawname}(o, &{expr});"]
    if k == "enum":
        return [f"lxe__json_put_word(o, {t.typename}_to_string({expr}));"]
    return [f"lxe__json_put_{k}(o, {expr});"]


def put_field(f):
    out = [f'lxe__json_put_key(o, "{f.name}");']
    if f.exact:
        return out + [f"lxe__json_put_exact(o, p->{f.name});"]
    if f.late:
        return [f"if (p->{f.name}) {{",
                *("    " + line for line in
                  out + put_value(f.type, f"p->{f.name}")), "}"]
    if f.type.kind != "array":
        return out + put_value(f.type, f"p->{f.name}")
    return out + ["lxe__json_open_array(o);",
                  f"for (i = 0; i < p->num_{f.name}; i++)",
                  *("    " + line for line in
                    put_value(f.type.elem, f"p->{f.name}[i]")),
                  "lxe__json_close_array(o);"]


def put(t):
    out = (ctext.call(f"static void put_{t.rawname}",
                      ["struct lxe__json_out *o", f"const {t.ctype} *p"],
                      "", 0) + "{\n")
    if t.of_kind("array"):
        out += "    uint32_t i;\n\n"
    lines = ["lxe__json_open_map(o);"]
    for f in t.fields:
        lines += put_field(f)
    lines.append("lxe__json_close_map(o);")
    return out + "".join(f"    {x}\n" for x in lines) + "}\n\n"


def to_json(t):
    return (f"char *{t.typename}_to_json(const {t.ctype} *p)\n{{\n"
            "    struct lxe__json_out o;\n\n"
            "    lxe__json_begin(&o);\n"
            f"    put_{t.rawname}(&o, p);\n"
            "    return lxe__json_end(&o);\n}\n\n")


def take_enum(t):
    """The word of one field; the words are what bounds it."""
    return (ctext.call(f"static int take_{t.rawname}",
                       ["const struct lxe__json_in *in",
                        "const char *field", "yajl_val v",
                        f"{t.ctype} *e"], "", 0) +
            "{\n    if (YAJL_IS_STRING(v) &&\n"
            f"        !{t.typename}_from_string(v->u.string, e))\n"
            "        return 0;\n"
            "    return lxe__json_refuse(in, field, v,\n        " +
            ctext.string("one of " + ", ".join(t.words)) + ");\n}\n\n")


def take_array(f, at):
    n = f.name
    return (f"    if ({at}) {{\n"
            f'        if (lxe__json_array(&in, "{n}", {at}))\n'
            "            return -1;\n"
            f"        len = {at}->u.array.len;\n"
            f"        p->{n} = calloc(len ? len : 1, sizeof(*p->{n}));\n"
            f"        if (!p->{n})\n"
            f'            return lxe__json_no_memory(&in, "{n}");\n'
            "    }\n"
            f"    while ({at} && p->num_{n} < len) {{\n"
            f"        {f.type.elem.ctype} *e = &p->{n}[p->num_{n}];\n\n"
            f"        {f.type.elem.typename}_init(e);\n"
            f"        v = {at}->u.array.values[p->num_{n}++];\n"
            f"        if (take_{f.type.elem.rawname}(v, e, err))\n"
            "            return -1;\n"
            "    }\n")


def number(n):
    return f"{n}ULL" if n >= 2**31 else str(n)


def take_field(f, at):
    n, k = f.name, f.type.kind
    if k == "array":
        return take_array(f, at)
    if k == "struct":
        return (f"    if ({at} && take_{f.type.rawname}({at}, &p->{n},"
                " err))\n        return -1;\n")
    if k == "enum":
        fn, args = f"take_{f.type.rawname}", [f"&p->{n}"]
    elif k == "uint":
        fn, args = "lxe__json_uint", [number(f.min), number(f.max), "&n"]
    else:
        fn = f"lxe__json_{k}"
        args = [f"p->{n}" if k == "uuid" else f"&p->{n}"]
    out = ctext.call(f"if ({at} && {fn}", ["&in", f'"{n}"', at, *args], ")",
                     4) + "        return -1;\n"
    if k == "uint":
        out += f"    if ({at})\n        p->{n} = n;\n"
    return out


def take(t):
    out = ctext.call(f"static int take_{t.rawname}",
                     ["yajl_val obj", f"{t.ctype} *p",
                      "struct lxe__err *err"], "", 0)
    out += (f"{{\n    const struct lxe__json_in in = {{\n"
            f'        .type = "{t.typename}", .err = err,\n    }};\n'
            "    static const char *const keys[] = {\n" +
            "".join(f'        "{f.name}",\n' for f in t.fields) +
            f"    }};\n    yajl_val at[{len(t.fields)}];\n")
    if t.of_kind("uint"):
        out += "    uint64_t n;\n"
    if t.of_kind("array"):
        out += "    yajl_val v;\n    size_t len = 0;\n"
    out += (f"\n    if (lxe__json_members(&in, obj, {len(t.fields)}, keys,"
            " at))\n        return -1;\n")
    out += "".join(take_field(f, f"at[{i}]")
                   for i, f in enumerate(t.fields))
    out += "".join(f"    if (!at[{i}])\n"
                   f'        return lxe__json_missing(&in, "{f.name}");\n'
                   for i, f in enumerate(t.fields) if f.required)
    return out + "    return 0;\n}\n\n"


def from_json(model, t):
    public = model.public
    error = "char **error_r" if public else "struct lxe__err *err"
    out = ctext.call(f"int {t.typename}_from_json",
                     [f"{t.ctype} *p", "const char *json", error], "", 0)
    out += "{\n"
    if public:
        out += "    struct lxe__err first, *err = &first;\n"
    out += "    yajl_val v = NULL;\n    int r;\n\n"
    if public:
        out += "    lxe__err_init(err);\n"
    out += (f"    {t.typename}_init(p);\n"
            f'    r = lxe__json_parse("{t.typename}", json, &v, err);\n'
            f"    if (!r)\n        r = take_{t.rawname}(v, p, err);\n"
            "    yajl_tree_free(v);\n"
            f"    if (r)\n        {t.typename}_dispose(p);\n")
    return out + ("    return lxe__json_report(err, error_r);\n"
                  if public else "    return r;\n") + "}\n\n"


def generate(model):
    out = ctext.head(model, "To and from JSON.")
    out += (f'#include <stdlib.h>\n\n#include "base/json.h"\n'
            f'#include "_{model.stem}.h"\n\n')
    out += "".join(take_enum(t) for t in model.enums)
    out += "".join(put(t) + to_json(t) + take(t) + from_json(model, t)
                   for t in model.structs)
    return out.rstrip("\n") + "\n"
