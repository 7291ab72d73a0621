/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Lines of the journal: from text and to text.  Pure code.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freeze/journal.h"
#include "freeze/journal_text.h"

#define MAGIC "libxl-ext-freeze 1"

static const char *const undo_words[] = {
    [LXE_UNDO_UNBIND] = "unbind",
    [LXE_UNDO_LINK] = "link",
};

static bool valid_name(const char *name, const char *driver,
                       uint32_t domid)
{
    char prefix[32];
    size_t len = snprintf(prefix, sizeof(prefix), "%s-%u-", driver, domid);
    size_t digits;

    if (strncmp(name, prefix, len))
        return false;
    digits = strspn(name + len, "0123456789");
    return digits && digits <= 10 && !name[len + digits];
}

bool lxe__jentry_valid(const struct lxe__jentry *e, uint32_t domid)
{
    const char *p;

    if (strcmp(e->driver, "vbd") && strcmp(e->driver, "vif"))
        return false;
    if (!valid_name(e->name, e->driver, domid))
        return false;
    /* What Linux takes for the name of an interface. */
    for (p = e->vif; *p; p++)
        if (*p == '/' || *p == ':' || !isgraph((unsigned char)*p))
            return false;
    if (!strcmp(e->vif, ".") || !strcmp(e->vif, "..") ||
        !strcmp(e->vif, "-"))
        return false;
    if (e->undo == LXE_UNDO_LINK && !e->vif[0])
        return false;
    return !e->script[0] || (e->script[0] == '/' &&
                             !strstr(e->script, "/../"));
}

static int put_word(char *out, size_t room, size_t *len, const char *word)
{
    static const char hex[] = "0123456789ABCDEF";

    if (!word[0])
        word = "-";
    else if (!strcmp(word, "-"))
        return -1;
    for (; *word; word++) {
        unsigned char c = *word;

        if (*len + 4 > room)
            return -1;
        if (c > 0x20 && c < 0x7f && c != '%') {
            out[(*len)++] = c;
        } else {
            out[(*len)++] = '%';
            out[(*len)++] = hex[c >> 4];
            out[(*len)++] = hex[c & 15];
        }
    }
    return 0;
}

int lxe__journal_format_header(char *out, size_t room, uint32_t domid,
                               const uint8_t uuid[16])
{
    size_t len = snprintf(out, room, MAGIC "\ndomain %u ", domid);
    int i;

    if (len + 34 > room)
        return -1;
    for (i = 0; i < 16; i++)
        len += snprintf(out + len, room - len, "%02x", uuid[i]);
    out[len++] = '\n';
    return len;
}

int lxe__journal_format_intent(char *out, size_t room,
                               const struct lxe__jentry *e)
{
    const char *words[] = { e->name, e->driver, e->vif, e->script };
    size_t len = snprintf(out, room, "intent %s", undo_words[e->undo]);
    size_t i;

    for (i = 0; i < 4; i++) {
        if (len + 2 > room)
            return -1;
        out[len++] = ' ';
        if (put_word(out, room, &len, words[i]))
            return -1;
    }
    out[len++] = '\n';
    return len;
}

int lxe__journal_format_undone(char *out, size_t room,
                               const struct lxe__jentry *e)
{
    int r = snprintf(out, room, "undone %s %s\n", undo_words[e->undo],
                     e->name);

    return r < 0 || (size_t)r >= room ? -1 : r;
}

static int hex_digit(char c)
{
    const char *p = c ? strchr("0123456789ABCDEF", c) : NULL;

    return p ? p - "0123456789ABCDEF" : -1;
}

/* Undoes put_word() into @out of @room bytes. */
static bool get_word(const char *word, char *out, size_t room)
{
    size_t n = 0;

    if (!strcmp(word, "-"))
        word = "";
    for (; *word; word++) {
        int c = (unsigned char)*word;

        if (c == '%') {
            int hi = hex_digit(word[1]);
            int lo = hi < 0 ? -1 : hex_digit(word[2]);

            if (lo < 0)
                return false;
            c = hi << 4 | lo;
            word += 2;
        }
        if (!c || n + 1 >= room)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static bool get_undo(const char *word, enum lxe__undo *undo_r)
{
    size_t i;

    for (i = 0; i < sizeof(undo_words) / sizeof(undo_words[0]); i++)
        if (!strcmp(word, undo_words[i])) {
            *undo_r = i;
            return true;
        }
    return false;
}

static bool get_domain(struct lxe__journal *j, const char *domid,
                       const char *uuid)
{
    unsigned long n;
    unsigned i, v;
    char *end;

    n = strtoul(domid, &end, 10);
    if (!isdigit((unsigned char)domid[0]) || *end || n > UINT32_MAX ||
        strlen(uuid) != 32 ||
        strspn(uuid, "0123456789abcdef") != 32)
        return false;
    j->domid = n;
    for (i = 0; i < 16; i++) {
        sscanf(uuid + 2 * i, "%2x", &v);
        j->uuid[i] = v;
    }
    return true;
}

/* For one more entry: to find no room is no fault of the line. */
static bool make_room(struct lxe__journal *j)
{
    struct lxe__jentry *list;

    list = realloc(j->list, (j->nr + 1) * sizeof(*list));
    if (list)
        j->list = list;
    return list;
}

static bool add_intent(struct lxe__journal *j, char **w)
{
    struct lxe__jentry e = { 0 };

    if (!get_undo(w[1], &e.undo) ||
        !get_word(w[2], e.name, sizeof(e.name)) ||
        !get_word(w[3], e.driver, sizeof(e.driver)) ||
        !get_word(w[4], e.vif, sizeof(e.vif)) ||
        !get_word(w[5], e.script, sizeof(e.script)) ||
        !lxe__jentry_valid(&e, j->domid))
        return false;
    j->list[j->nr++] = e;
    return true;
}

static bool set_undone(struct lxe__journal *j, char **w)
{
    enum lxe__undo undo;
    bool found = false;
    size_t i;

    if (!get_undo(w[1], &undo))
        return false;
    for (i = 0; i < j->nr; i++)
        if (j->list[i].undo == undo && !strcmp(j->list[i].name, w[2]))
            j->list[i].undone = found = true;
    return found;
}

/* Lines of one word; each counts in the order in which they stand. */
static bool take_word(struct lxe__journal *j, const char *word)
{
    bool suspend = !strcmp(word, "suspend");
    bool commit = !strcmp(word, "commit");

    if (suspend || commit || !strcmp(word, "ran"))
        j->ours = j->asked = suspend;
    else if (!strcmp(word, "answered"))
        j->asked = false;
    else if (!strcmp(word, "whole"))
        j->whole = true;
    else if (!strcmp(word, "hold"))
        j->held = true;
    else if (!strcmp(word, "thaw"))
        j->thaw = true;
    else
        return false;
    j->committed |= commit;
    return true;
}

/* One whole line; words are separated by single blanks. */
static bool take_line(struct lxe__journal *j, unsigned lineno, char *line)
{
    char *w[7], *save = NULL, *tok;
    unsigned n = 0;

    if (lineno == 1)
        return !strcmp(line, MAGIC);
    for (tok = strtok_r(line, " ", &save); tok && n < 7;
         tok = strtok_r(NULL, " ", &save))
        w[n++] = tok;
    if (lineno == 2)
        return n == 3 && !strcmp(w[0], "domain") &&
               get_domain(j, w[1], w[2]);
    if (n == 6 && !strcmp(w[0], "intent"))
        return add_intent(j, w);
    if (n == 3 && !strcmp(w[0], "undone"))
        return set_undone(j, w);
    return n == 1 && take_word(j, w[0]);
}

int lxe__journal_parse(struct lxe__journal *j, const char *text,
                       size_t len, struct lxe__err *err)
{
    const char *at = text, *end = text + len, *nl;
    char line[1024];
    unsigned lineno = 0;

    memset(j, 0, sizeof(*j));
    for (; (nl = memchr(at, '\n', end - at)); at = nl + 1) {
        size_t n = nl - at;

        lineno++;
        if (n >= sizeof(line) || memchr(at, '\0', n))
            goto bad;
        memcpy(line, at, n);
        line[n] = '\0';
        if (!make_room(j)) {
            lxe__journal_dispose(j);
            return lxe__err_set(err, ENOMEM, "freeze journal: no memory"
                                " for line %u", lineno);
        }
        if (!take_line(j, lineno, line))
            goto bad;
    }
    /* Without its head a journal names nothing: no act was begun. */
    if (lineno < 2) {
        lxe__journal_dispose(j);
        return lxe__err_set(err, ENODATA, "freeze journal: no header");
    }
    return 0;

 bad:
    lxe__journal_dispose(j);
    return lxe__err_set(err, EPROTO, "freeze journal: line %u makes no"
                        " sense", lineno);
}

void lxe__journal_dispose(struct lxe__journal *j)
{
    free(j->list);
    memset(j, 0, sizeof(*j));
}
