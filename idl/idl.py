# SPDX-License-Identifier: LGPL-2.1-only
"""The model: what an .idl file may say, and what it must not.

An .idl file is Python that only builds objects of these classes and
binds them to names.  load() reads one, checks it, and returns a Model;
the generators read nothing but the Model.  README.md explains every
property for those who write an .idl file.
"""

import os


class IdlError(Exception):
    """What is wrong in an .idl file, in one line."""


class Type:
    """What a field can be of.  kind names the generators' methods."""
    kind = ""


class UInt(Type):
    kind = "uint"

    def __init__(self, width):
        self.width = width
        self.ctype = f"uint{width}_t"
        self.max = self.top = (1 << width) - 1
        self.octets = width // 8


class Flags(UInt):
    """A word of named bits, counted from 0 without a gap."""

    def __init__(self, width, prefix, bits):
        super().__init__(width)
        self.prefix, self.bits = prefix, bits
        self.max = (1 << len(bits)) - 1
        if [b[0] for b in bits] != list(range(len(bits))):
            raise IdlError(f"flags {prefix}: bits {[b[0] for b in bits]}"
                           " do not count up from 0")


class Bool(Type):
    kind, ctype = "bool", "bool"


class String(Type):
    kind, ctype = "string", "char *"


class Uuid(Type):
    kind, ctype, octets = "uuid", "uint8_t", 16


class Named(Type):
    """What an .idl file defines; load() gives it its namespace."""
    namespace = ""

    def __init__(self, rawname, doc):
        self.rawname, self.doc = rawname, doc

    @property
    def typename(self):
        return self.namespace + self.rawname

    @property
    def macro(self):
        return f"{self.namespace.rstrip('_')}_{self.rawname}".upper()

    @property
    def ctype(self):
        return self.typename


class EnumValue:
    def __init__(self, enum, number, name, doc):
        self.enum, self.number, self.doc = enum, number, doc
        self.word = name

    @property
    def cname(self):
        return f"{self.enum.macro}_{self.word.upper()}"


class Enumeration(Named):
    kind = "enum"

    def __init__(self, rawname, doc, values):
        super().__init__(rawname, doc)
        self.values = [EnumValue(self, *v) for v in values]
        self.words = [v.word for v in self.values]
        numbers = [v.number for v in self.values]
        if len(set(numbers)) < len(numbers):
            raise IdlError(f"enumeration {rawname}: a number occurs twice")
        if len(set(self.words)) < len(self.words):
            raise IdlError(f"enumeration {rawname}: a word occurs twice")
        if not all(type(n) is int and 0 <= n < 1 << 31 for n in numbers):
            raise IdlError(f"enumeration {rawname}: numbers are from 0 to"
                           " 2147483647")
        if 0 not in numbers:
            raise IdlError(f"enumeration {rawname}: no value 0, which is"
                           " what a cleared struct has")

    def cname(self, word):
        return self.values[self.words.index(word)].cname


class Array(Type):
    """Elements of one struct type, beside a field num_NAME."""
    kind = "array"

    def __init__(self, elem):
        if not isinstance(elem, Struct):
            raise IdlError("an array's elements are structs")
        self.elem = elem


class Field:
    def __init__(self, name, type, doc, *, unit="", default=None, min=0,
                 max=None, at=None, all_ones="", late=False, exact=False):
        self.name, self.type, self.doc, self.unit = name, type, doc, unit
        self.default, self.at, self.all_ones = default, at, all_ones
        self.late, self.exact = late, exact
        self.min = min
        self.max = max
        if isinstance(type, UInt) and max is None:
            self.max = type.max

    def check(self, owner):
        t, what = self.type, f"{owner}.{self.name}"
        if not isinstance(t, Type):
            raise IdlError(f"{what}: has no type")
        if not self.doc and not isinstance(t, Flags):
            raise IdlError(f"{what}: says nothing of its meaning")
        if not isinstance(t, UInt):
            if self.min or self.max is not None or self.all_ones:
                raise IdlError(f"{what}: bounds are for integers")
        elif type(self.default) not in (int, type(None)):
            raise IdlError(f"{what}: default {self.default!r} is no whole"
                           " number")
        elif not 0 <= self.min <= self.max <= t.max:
            raise IdlError(f"{what}: bounds {self.min} to {self.max} are"
                           f" not within 0 to {t.max}")
        elif self.default is not None and not (
                self.min <= self.default <= self.max):
            raise IdlError(f"{what}: default {self.default} is outside"
                           f" {self.min} to {self.max}")
        if t.kind == "bool" and type(self.default) not in (
                bool, type(None)):
            raise IdlError(f"{what}: default {self.default!r} is neither"
                           " True nor False")
        if t.kind == "enum" and self.default is not None and (
                self.default not in t.words):
            raise IdlError(f"{what}: default {self.default} is none of"
                           f" {', '.join(t.words)}")
        if self.late and (t.kind != "bool" or self.default):
            raise IdlError(f"{what}: only a bool that is false by default"
                           " can be late")
        if self.exact and t.kind != "string":
            raise IdlError(f"{what}: only a string can be exact")
        if t.kind not in ("uint", "bool", "enum") and self.default:
            raise IdlError(f"{what}: a {t.kind} has no default")

    @property
    def required(self):
        """What _init() sets is no value that may be read."""
        if self.type.kind == "struct":
            return any(f.required for f in self.type.fields)
        return bool(self.min) and self.default is None


class Wire:
    """The struct has a wire form; what names it in error lines."""

    def __init__(self, what, version):
        self.what, self.version = what, version


class Struct(Named):
    kind = "struct"

    def __init__(self, rawname, doc, fields, *, wire=None):
        super().__init__(rawname, doc)
        self.fields, self.wire = fields, wire
        names = [f.name for f in fields]
        if not fields or len(set(names)) < len(names):
            raise IdlError(f"struct {rawname}: no field, or one name twice")
        for f in fields:
            f.check(rawname)
        if wire:
            self.check_wire()

    def check_wire(self):
        first, at = self.fields[0], 0
        if (first.name, first.type.ctype, first.min, first.max) != (
                "version", "uint32_t", 1, self.wire.version):
            raise IdlError(f"struct {self.rawname}: a wire form begins with"
                           " uint32 version, from 1 to the newest")
        for f in self.fields:
            what = f"{self.rawname}.{f.name}"
            if not isinstance(f.type, (UInt, Uuid)) or f.type.ctype not in (
                    "uint32_t", "uint64_t", "uint8_t"):
                raise IdlError(f"{what}: has no wire form")
            if f.at != at:
                raise IdlError(f"{what}: at {f.at}, but the field before"
                               f" ends at {at}")
            if at % min(f.type.octets, 8):
                raise IdlError(f"{what}: {at} is not aligned to its size")
            at += f.type.octets
        self.octets = at

    def of_kind(self, *kinds):
        return [f for f in self.fields if f.type.kind in kinds]

    @property
    def owns_memory(self):
        return any(f.type.kind in ("string", "array") or
                   f.type.kind == "struct" and f.type.owns_memory
                   for f in self.fields)


class Model:
    """All types of one .idl file in the order of their definition."""

    def __init__(self, path, env, types):
        self.source = f"idl/{os.path.basename(path)}"
        self.stem = os.path.basename(path)[:-len(".idl")]
        self.namespace, self.public = env["namespace"], env["public"]
        self.doc = env["__doc__"].strip()
        self.types = types
        self.enums = [t for t in types if t.kind == "enum"]
        self.structs = [t for t in types if t.kind == "struct"]
        self.wires = [t for t in self.structs if t.wire]


WORDS = {
    "uint32": UInt(32), "uint64": UInt(64), "bool": Bool(),
    "string": String(), "uuid": Uuid(), "Flags": Flags,
    "Enumeration": Enumeration, "Struct": Struct, "Field": Field,
    "Array": Array, "Wire": Wire,
}


def check_order(types):
    """C needs a type before its use."""
    seen = set()
    for t in types:
        for f in getattr(t, "fields", ()):
            used = getattr(f.type, "elem", f.type)
            if isinstance(used, Named) and used not in seen:
                raise IdlError(f"struct {t.rawname}: {f.name} is of"
                               f" {used.rawname}, which is bound to no"
                               " name above it")
        seen.add(t)


def load(path):
    env = dict(WORDS)
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), env)
    for name in ("__doc__", "namespace", "public"):
        if env.get(name) is None:
            raise IdlError(f"{name} is not set")
    types = [v for v in env.values() if isinstance(v, Named)]
    for name, value in env.items():
        if isinstance(value, Named) and value.rawname != name:
            raise IdlError(f"{name} is bound to a type called"
                           f" {value.rawname}")
    if not env["public"] and any(t.kind == "enum" for t in types):
        raise IdlError("an enumeration in a file that is not public: its"
                       " functions return libxl's codes")
    check_order(types)
    for t in types:
        t.namespace = env["namespace"]
    return Model(path, env, types)
