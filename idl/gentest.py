# SPDX-License-Identifier: LGPL-2.1-only
"""The test: every type filled at random, to JSON and octets and back,
copied, disposed twice; each allocation made to fail; and every field
given what it must refuse."""

import json

import ctext


# ---- random values and comparison -------------------------------------

def fill_field(f):
    n, k = f"p->{f.name}", f.type.kind
    if k == "uint":
        return f"    {n} = lxe_fill_uint({f.min}, {f.max}ULL);\n"
    if k == "bool":
        return f"    {n} = lxe_fill_uint(0, 1);\n"
    if k == "enum":
        return f"    {n} = any_{f.type.rawname}();\n"
    if k == "string":
        return f"    {n} = lxe_fill_string();\n"
    if k == "uuid":
        return f"    lxe_fill_octets({n}, 16);\n"
    if k == "struct":
        return f"    fill_{f.type.rawname}(&{n});\n"
    num = f"p->num_{f.name}"
    return (f"    {num} = lxe_fill_uint(0, 3);\n"
            f"    {n} = calloc({num} + 1, sizeof(*{n}));\n"
            f"    CU_ASSERT_PTR_NOT_NULL_FATAL({n});\n"
            f"    for (i = 0; i < {num}; i++)\n"
            f"        fill_{f.type.elem.rawname}(&{n}[i]);\n")


def loop_variable(t):
    return "    uint32_t i;\n\n" if t.of_kind("array") else ""


def fill(t):
    return (f"static void fill_{t.rawname}({t.ctype} *p)\n{{\n" +
            loop_variable(t) + f"    {t.typename}_init(p);\n" +
            "".join(fill_field(f) for f in t.fields) + "}\n\n")


def same_text(f):
    a, b, k = f"a->{f.name}", f"b->{f.name}", f.type.kind
    if k == "uuid":
        return f"!memcmp({a}, {b}, 16)"
    if k == "string":
        return f"same_string({a}, {b})"
    if k == "struct":
        return f"same_{f.type.rawname}(&{a}, &{b})"
    if k == "array":
        return f"a->num_{f.name} == b->num_{f.name}"
    return f"{a} == {b}"


def same(t):
    out = (ctext.call(f"static bool same_{t.rawname}",
                      [f"const {t.ctype} *a", f"const {t.ctype} *b"], "", 0)
           + "{\n" + loop_variable(t))
    for f in t.fields:
        out += (f"    if (!({same_text(f)}))\n        return false;\n")
    for f in t.of_kind("array"):
        out += (f"    for (i = 0; i < a->num_{f.name}; i++)\n" +
                ctext.call(f"if (!same_{f.type.elem.rawname}",
                           [f"&a->{f.name}[i]", f"&b->{f.name}[i]"], ")",
                           8) + "            return false;\n")
    return out + "    return true;\n}\n\n"


# ---- enums ------------------------------------------------------------

def any_enum(t):
    return (f"static {t.ctype} any_{t.rawname}(void)\n{{\n"
            f"    static const {t.ctype} all[] = {{\n" +
            "".join(f"        {v.cname},\n" for v in t.values) +
            f"    }};\n\n    return all[lxe_fill_uint(0,"
            f" {len(t.values) - 1})];\n}}\n\n")


def enum_case(t):
    free = max(v.number for v in t.values) + 1
    out = (f"static void {t.rawname}_words(void)\n{{\n"
           f"    {t.ctype} e;\n\n")
    for v in t.values:
        out += ctext.call("CU_ASSERT_STRING_EQUAL",
                          [f"{t.typename}_to_string({v.number})",
                           f'"{v.word}"'])
        out += ctext.call("CU_ASSERT_EQUAL",
                          [f'{t.typename}_from_string("{v.word}", &e)',
                           "0"])
        out += f"    CU_ASSERT_EQUAL(e, {v.number});\n"
    return (out + f"    CU_ASSERT_PTR_NULL({t.typename}_to_string({free}));"
            f"\n    e = {free};\n" +
            ctext.call("CU_ASSERT_NOT_EQUAL",
                       [f'{t.typename}_from_string("no such", &e)', "0"]) +
            f"    CU_ASSERT_EQUAL(e, {free});\n}}\n\n")


# ---- JSON -------------------------------------------------------------

def round_trip(model, t):
    n = t.typename
    return (f"static void {t.rawname}_round_trip(void)\n{{\n"
            f"    {t.ctype} p, q, r;\n    char *one, *two;\n    int i;\n\n"
            "    for (i = 0; i < LXE_FILL_ROUNDS; i++) {\n"
            f"        fill_{t.rawname}(&p);\n"
            f"        one = {n}_to_json(&p);\n"
            "        CU_ASSERT_PTR_NOT_NULL_FATAL(one);\n"
            "        CU_ASSERT_EQUAL(\n"
            f"            {n}_from_json(&q, one, NULL), 0);\n"
            f"        CU_ASSERT(same_{t.rawname}(&p, &q));\n"
            f"        CU_ASSERT_EQUAL({n}_copy(&r, &p), 0);\n"
            f"        CU_ASSERT(same_{t.rawname}(&p, &r));\n"
            f"        {n}_dispose(&p);\n        {n}_dispose(&p);\n"
            f"        two = {n}_to_json(&r);\n"
            "        CU_ASSERT_PTR_NOT_NULL_FATAL(two);\n"
            "        CU_ASSERT_STRING_EQUAL(one, two);\n"
            f"        {n}_dispose(&q);\n        {n}_dispose(&q);\n"
            f"        {n}_dispose(&r);\n        {n}_dispose(&r);\n"
            f"        {n}_init(&q);\n"
            f"        CU_ASSERT(same_{t.rawname}(&p, &q));\n"
            "        free(one);\n        free(two);\n    }\n}\n\n")


def no_memory_call(model, t):
    """The two calls that allocate, and what each then says."""
    arg = "NULL" if model.public else "&err"
    return ((f"{t.typename}_copy(&q, &p)", ""),
            (f"{t.typename}_from_json(&q, text, {arg})",
             "" if model.public else "        lxe__err_init(&err);\n"))


def no_memory(model, t):
    """Each allocation fails in turn; what is left is as after init."""
    fails = "ERROR_NOMEM" if model.public else "-1"
    out = (f"static void {t.rawname}_no_memory_once(void)\n{{\n"
           f"    {t.ctype} p, q, fresh;\n    char *text;\n"
           "    unsigned n;\n    int rc;\n" +
           ("" if model.public else "    struct lxe__err err;\n") +
           f"\n    {t.typename}_init(&fresh);\n"
           f"    fill_{t.rawname}(&p);\n"
           f"    text = {t.typename}_to_json(&p);\n"
           "    CU_ASSERT_PTR_NOT_NULL_FATAL(text);\n")
    for call, before in no_memory_call(model, t):
        out += ("    for (n = 0; ; n++) {\n" + before +
                "        lxe_fill_fail_after(n);\n"
                f"        rc = {call};\n"
                "        if (!lxe_fill_failed())\n            break;\n"
                f"        CU_ASSERT_EQUAL(rc, {fails});\n"
                f"        CU_ASSERT(same_{t.rawname}(&q, &fresh));\n"
                "    }\n"
                "    CU_ASSERT_EQUAL(rc, 0);\n"
                f"    CU_ASSERT(same_{t.rawname}(&q, &p));\n"
                f"    {t.typename}_dispose(&q);\n")
    return (out + "    free(text);\n    lxe_fill_fail_after(0);\n"
            f"    CU_ASSERT_PTR_NULL({t.typename}_to_json(&p));\n"
            "    CU_ASSERT(lxe_fill_failed());\n"
            "    CU_ASSERT_EQUAL(errno, ENOMEM);\n"
            f"    {t.typename}_dispose(&p);\n}}\n\n"
            f"static void {t.rawname}_no_memory(void)\n{{\n    int i;\n\n"
            "    for (i = 0; i < 20; i++)\n"
            f"        {t.rawname}_no_memory_once();\n}}\n\n")


def needed(f):
    """What a value must be, in the words of the error line."""
    k = f.type.kind
    return {
        "uint": f"a whole number from {f.min} to {f.max}",
        "bool": "true or false", "string": "a string or null",
        "uuid": "a uuid of 8-4-4-4-12 hex digits", "array": "an array",
        "enum": "one of " + ", ".join(getattr(f.type, "words", ())),
        "struct": "an object"}[k]


UUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"

WRONG = {
    "uint": ["1.5", "-1", "1e3", "99999999999999999999", '"1"', "null"],
    "bool": ["1", '"true"', "null"], "string": ["1", "true", "{}"],
    "uuid": ["1", f'"{UUID}0"', f'"{UUID[:-1]}"', f'"{UUID[:-1]}g"',
             f'"{UUID.replace("-", "")}"'],
    "enum": ["0", '"no such"', '""', "null"], "array": ["{}", "null", "1"],
    "struct": ["[]", "null", "1"],
}


def wrong_values(f):
    out = list(WRONG[f.type.kind])
    if f.type.kind == "uint":
        out.append(str(f.max + 1))
        if f.min:
            out.append(str(f.min - 1))
    return out


def shown(value):
    value = {"{}": "{...}", "[]": "[...]"}.get(value, value)
    # 40 characters of a string's own are shown.
    return value if len(value) <= 42 else value[:41] + '"...'


def bad_field(t, f, value):
    if f.type.kind == "struct":     # the line is of the inner type
        where = f"{f.type.typename} from JSON: "
    else:
        where = f"{t.typename} from JSON: {f.name} "
    return (f'{{"{f.name}": {value}}}',
            f"{where}{shown(value)} is not {needed(f)}")


def bad_texts(t):
    keys = ", ".join(f.name for f in t.fields)
    first = t.fields[0]
    yield "[]", f"{t.typename} from JSON: [...] is not an object"
    yield '{"no such": 1}', (f'{t.typename} from JSON: key "no such" is'
                             f" none of {keys}")
    for f in t.fields:
        for value in wrong_values(f):
            yield bad_field(t, f, value)
    required = [f for f in t.fields if f.required]
    for left_out in required:
        given = ", ".join(f'"{f.name}": {f.min}' for f in required
                          if f is not left_out)
        yield (f"{{{given}}}", f"{t.typename} from JSON: {left_out.name} is"
               " missing, and has no default")
    yield (f'{{"{first.name}": 1, "{first.name}": 1}}',
           f'{t.typename} from JSON: key "{first.name}" is there twice')


def refusals(model, t):
    """Whole lines are compared; p must be left as after init."""
    texts = "".join("        { %s,\n          %s },\n" %
                    (json.dumps(text), ctext.string(line, 10))
                    for text, line in bad_texts(t))
    error = ("char *said" if model.public else "struct lxe__err err")
    arg = "&said" if model.public else "&err"
    said = "said" if model.public else "err.msg"
    return (f"static void {t.rawname}_refuses(void)\n{{\n"
            "    static const struct { const char *json, *line; }"
            " bad[] = {\n" + texts + "    };\n"
            f"    {t.ctype} p, fresh;\n    {error};\n    size_t i;\n\n"
            f"    {t.typename}_init(&fresh);\n"
            "    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {\n" +
            ("" if model.public else "        lxe__err_init(&err);\n") +
            "        CU_ASSERT_NOT_EQUAL(\n"
            f"            {t.typename}_from_json(&p, bad[i].json, {arg}),"
            " 0);\n"
            f"        CU_ASSERT_STRING_EQUAL({said}, bad[i].line);\n" +
            ("        free(said);\n" if model.public else "") +
            f"        CU_ASSERT(same_{t.rawname}(&p, &fresh));\n"
            "    }\n}\n\n")


# ---- the wire form ----------------------------------------------------

def wire_round_trip(t):
    n, size = t.typename, f"{t.macro}_WIRE_LEN"
    return (f"static void {t.rawname}_wire(void)\n{{\n"
            f"    uint8_t one[{size}], two[{size}];\n"
            f"    {t.ctype} p, q;\n    struct lxe__err err;\n    int i;\n\n"
            "    for (i = 0; i < LXE_FILL_ROUNDS; i++) {\n"
            "        lxe__err_init(&err);\n"
            "        lxe_fill_octets(one, sizeof(one));\n"
            f"        fill_{t.rawname}(&p);\n"
            f"        {n}_encode(&p, one);\n"
            "        CU_ASSERT_EQUAL(\n"
            f"            {n}_decode(one, sizeof(one), &q, &err), 0);\n"
            f"        CU_ASSERT(same_{t.rawname}(&p, &q));\n"
            f"        {n}_encode(&q, two);\n"
            "        CU_ASSERT_EQUAL(memcmp(one, two, sizeof(one)), 0);\n"
            "    }\n}\n\n")


def out_of_bounds(f):
    if f.type.kind == "uuid":
        return []
    out = [f.max + 1, f.type.top] if f.max < f.type.top else []
    return sorted(set(out + ([f.min - 1, 0] if f.min else [])))


def wire_refusals(t):
    """Each number out of its bounds, the others in order."""
    n, size = t.typename, f"{t.macro}_WIRE_LEN"
    rows = "".join(
        f"        {{ {t.macro}_AT_{f.name}, {f.type.octets},"
        f" {v}ULL, \"{f.name}\" }},\n"
        for f in t.fields for v in out_of_bounds(f))
    return (f"static void {t.rawname}_wire_refuses(void)\n{{\n"
            "    static const struct {\n        size_t at, octets;\n"
            "        uint64_t value;\n        const char *field;\n"
            "    } bad[] = {\n" + rows + "    };\n"
            f"    {t.ctype} p, q, before;\n    uint8_t one[{size}];\n"
            "    struct lxe__err err;\n    size_t i, k;\n\n"
            "    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {\n"
            "        lxe__err_init(&err);\n"
            f"        fill_{t.rawname}(&p);\n"
            f"        fill_{t.rawname}(&q);\n        before = q;\n"
            f"        {n}_encode(&p, one);\n"
            "        for (k = 0; k < bad[i].octets; k++)\n"
            "            one[bad[i].at + k] = bad[i].value >> 8 * k;\n"
            "        CU_ASSERT_EQUAL(\n"
            f"            {n}_decode(one, sizeof(one), &q, &err), -1);\n"
            "        CU_ASSERT_PTR_NOT_NULL(strstr(err.msg,"
            " bad[i].field));\n"
            f"        CU_ASSERT(same_{t.rawname}(&q, &before));\n"
            "    }\n}\n\n")


# ---- the suite --------------------------------------------------------

def cases(model):
    for t in model.enums:
        yield f"{t.rawname}: words and numbers", f"{t.rawname}_words"
    for t in model.structs:
        yield (f"{t.rawname}: through JSON, copied, disposed twice",
               f"{t.rawname}_round_trip")
        yield (f"{t.rawname}: each allocation fails in turn",
               f"{t.rawname}_no_memory")
        yield (f"{t.rawname}: each field refuses what it must",
               f"{t.rawname}_refuses")
    for t in model.wires:
        yield f"{t.rawname}: through octets", f"{t.rawname}_wire"
        yield (f"{t.rawname}: octets out of bounds are refused",
               f"{t.rawname}_wire_refuses")


SAME_STRING = """\
static bool same_string(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

"""


def generate(model):
    out = ctext.head(model, "Every type filled at random, through JSON and"
                     " octets and back, copied and disposed twice; every"
                     " field given what it must refuse.")
    out += "#include <errno.h>\n"
    out += "#include <libxl.h>\n" if model.public else ""
    out += ("#include <stdlib.h>\n#include <string.h>\n\n"
            f'#include "_{model.stem}.h"\n#include "base/err.h"\n'
            '#include "fill.h"\n#include "unit.h"\n\n')
    if any(t.of_kind("string") for t in model.structs):
        out += SAME_STRING
    out += "".join(any_enum(t) + enum_case(t) for t in model.enums)
    out += "".join(fill(t) + same(t) + round_trip(model, t) +
                   no_memory(model, t) + refusals(model, t)
                   for t in model.structs)
    out += "".join(wire_round_trip(t) + wire_refusals(t)
                   for t in model.wires)
    rows = ",\n".join(f'    {{ "{name}",\n      {fn} }}'
                      for name, fn in cases(model))
    return out + f"LXE_SUITE({model.stem},\n{rows})\n"
