# SPDX-License-Identifier: LGPL-2.1-only
"""C as text, for all generators: comments and lists that wrap, strings."""

import textwrap

WIDTH = 75


def comment(text, indent=0):
    """One line where it fits, else a block."""
    pad = " " * indent
    one = f"{pad}/* {text} */"
    if len(one) <= WIDTH and "\n" not in text:
        return one + "\n"
    out = [f"{pad}/*"]
    for part in text.split("\n"):
        out += textwrap.wrap(part, WIDTH, fix_sentence_endings=True,
                             initial_indent=f"{pad} * ",
                             subsequent_indent=f"{pad} * ") or [f"{pad} *"]
    return "\n".join(out + [f"{pad} */"]) + "\n"


def call(start, args, end=";", indent=4):
    """START(args...)END; a line that is full goes on indented by 4."""
    lines = [" " * indent + start + "("]
    for i, arg in enumerate(args):
        arg += ", " if i + 1 < len(args) else ")" + end
        if len(lines[-1] + arg.rstrip()) > WIDTH:
            lines.append(" " * (indent + 4))
        lines[-1] += arg
    return "\n".join(line.rstrip() for line in lines) + "\n"


def string(text, indent=8):
    """A string literal, in pieces where it is long."""
    pieces = textwrap.wrap(text, WIDTH - indent - 3, break_on_hyphens=False,
                           drop_whitespace=False)
    return ("\n" + " " * indent).join(
        '"%s"' % p.replace("\\", "\\\\").replace('"', '\\"')
        for p in pieces)


def head(model, text):
    """The first lines of every generated C file."""
    return (f"/* Made from {model.source} by idl/gentypes.py; do not edit."
            " */\n"
            "/* SPDX-License-Identifier: LGPL-2.1-only */\n" +
            comment(text) + "\n")
