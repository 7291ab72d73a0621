/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading the policy file: libxlutil's configuration syntax, and checks
 * that it does not make: keys that nobody knows, keys given twice,
 * values of the wrong kind or out of bounds.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libxlutil.h>

#include "base/env.h"
#include "base/io.h"
#include "base/text.h"
#include "memory/policy.h"

#define FILE_MAX   (1024 * 1024)
#define LIMIT_MAX  (1L << 40)           /* KiB */
#define TIMEOUT_MAX 600000              /* ms */

static const char *const keys[LXE_NR_KEYS] = {
    [LXE_KEY_MEMORY_BUMP] = "memory_bump",
    [LXE_KEY_MEMORY_BUMP_LIMIT] = "memory_bump_limit",
    [LXE_KEY_MEMORY_BUMP_OVERRIDES] = "memory_bump_overrides",
    [LXE_KEY_FREEZE] = "freeze",
    [LXE_KEY_FREEZE_METHOD] = "freeze_method",
    [LXE_KEY_FREEZE_TIMEOUT] = "freeze_timeout",
    [LXE_KEY_LINK_TIMEOUT] = "link_timeout",
    [LXE_KEY_CLAIM] = "claim",
    [LXE_KEY_STOCK_HELPER] = "stock_helper",
    [LXE_KEY_QEMU] = "qemu",
};

const char *lxe__policy_key_name(enum lxe__policy_key key)
{
    return keys[key];
}

/*----- keys that libxlutil would pass over in silence -----*/

static int known(const char *key, size_t len)
{
    size_t i;

    for (i = 0; i < LXE_NR_KEYS; i++)
        if (strlen(keys[i]) == len && !memcmp(keys[i], key, len))
            return i;
    return -1;
}

/*
 * libxlutil has no negative numbers: to it "-1" is a lexical error,
 * which names neither the key nor the bound.
 */
static int check_sign(const char *path, const char *key, const char *rest,
                      unsigned line, struct lxe__err *err)
{
    rest += strspn(rest, " \t");
    if (*rest++ != '=')
        return 0;
    rest += strspn(rest, " \t");
    if (*rest != '-')
        return 0;
    return lxe__err_set(err, EINVAL, "policy file %s: line %u: %s is"
                        " %.*s: no number there is below 0", path, line,
                        key, (int)strcspn(rest, " \t\r\n;#"), rest);
}

/*
 * libxlutil takes a string with a NUL in it for one that has lost its
 * closing quote, and ends the whole process by assert(3).
 */
static int check_no_nul(const char *path, const char *text, size_t len,
                        struct lxe__err *err)
{
    const char *nul = len ? memchr(text, '\0', len) : NULL, *at;
    unsigned line = 1;

    if (!nul)
        return 0;
    for (at = text; at < nul; at++)
        line += *at == '\n';
    return lxe__err_set(err, EINVAL, "policy file %s: line %u: a NUL"
                        " byte: it is no text, or damaged", path, line);
}

/*
 * libxlutil lists no keys.  Its grammar is small: a key is a word at
 * the start of a setting, outside of strings, lists and comments; a
 * setting ends with a line or a semicolon.  Notes the line of each.
 */
static int check_keys(const char *path, const char *text, size_t len,
                      struct lxe__policy_sources *sources,
                      struct lxe__err *err)
{
    unsigned line = 1, depth = 0;
    bool start = true;
    size_t i, from;
    char quote = 0;
    int k;

    for (i = 0; i < len; i++) {
        char c = text[i];

        if (c == '\n')
            line++;
        if (quote) {
            if (c == '\\' && i + 1 < len)
                i++;
            else if (c == quote || c == '\n')
                quote = 0;
            continue;
        }
        if (c == '#') {
            while (i + 1 < len && text[i + 1] != '\n')
                i++;
        } else if (c == '"' || c == '\'') {
            quote = c;
            start = false;
        } else if (c == '[' || c == '(') {
            depth++;
        } else if ((c == ']' || c == ')') && depth) {
            depth--;
        } else if ((c == '\n' || c == ';') && !depth) {
            start = true;
        } else if (start && !depth && (isalpha((unsigned char)c) ||
                                       c == '_')) {
            from = i;
            while (i + 1 < len && (isalnum((unsigned char)text[i + 1]) ||
                                   text[i + 1] == '_' ||
                                   text[i + 1] == '.'))
                i++;
            k = known(text + from, i + 1 - from);
            if (k < 0)
                return lxe__err_set(err, EINVAL, "policy file %s: line %u:"
                                    " unknown key \"%.*s\"; the keys are"
                                    " in libxl-ext's docs/policy.md", path,
                                    line, (int)(i + 1 - from > 64 ? 64 :
                                                i + 1 - from),
                                    text + from);
            if (sources->of[k].line)
                return lxe__err_set(err, EINVAL, "policy file %s: line %u:"
                                    " key %s is set twice; once is"
                                    " allowed", path, line, keys[k]);
            sources->of[k].line = line;
            start = false;
            if (check_sign(path, keys[k], text + i + 1, line, err))
                return -1;
        }
    }
    return 0;
}

/*----- values -----*/

struct reader {
    const char *path;
    XLU_Config *cfg;
    struct lxe__policy_sources *sources;
    struct lxe__err *err;
};

/* libxlutil answers ESRCH for a key that is not set. */
static int get_word(const struct reader *r, enum lxe__policy_key of,
                    const char *const *words, unsigned count,
                    unsigned *value)
{
    const char *key = keys[of], *text;
    unsigned i;
    int e = xlu_cfg_get_string(r->cfg, key, &text, 1);

    if (e == ESRCH)
        return 0;
    if (e)
        return lxe__err_set(r->err, EINVAL, "policy file %s: %s is not a"
                            " string; it is \"%s\", \"%s\" or \"%s\"",
                            r->path, key, words[0], words[1], words[2]);
    for (i = 0; i < count; i++)
        if (!strcmp(text, words[i])) {
            *value = i;
            return 0;
        }
    return lxe__err_set(r->err, EINVAL, "policy file %s: %s is \"%.64s\","
                        " not \"%s\", \"%s\" or \"%s\"", r->path, key,
                        text, words[0], words[1], words[2]);
}

static int get_number(const struct reader *r, enum lxe__policy_key of,
                      long min, long max, long *value)
{
    const char *key = keys[of], *text;
    char *end;
    long n;
    int e = xlu_cfg_get_string(r->cfg, key, &text, 1);

    if (e == ESRCH)
        return 0;
    if (e)
        return lxe__err_set(r->err, EINVAL, "policy file %s: %s is a list,"
                            " not a number from %ld to %ld", r->path, key,
                            min, max);
    errno = 0;
    n = strtol(text, &end, 0);
    if (errno || end == text || *end || n < min || n > max)
        return lxe__err_set(r->err, EINVAL, "policy file %s: %s is %.64s,"
                            " not a number from %ld to %ld", r->path, key,
                            text, min, max);
    *value = n;
    return 0;
}

static int get_path(const struct reader *r, enum lxe__policy_key of,
                    char **value)
{
    const char *key = keys[of], *text;
    int e = xlu_cfg_get_string(r->cfg, key, &text, 1);

    if (e == ESRCH)
        return 0;
    if (e || *text != '/')
        return lxe__err_set(r->err, EINVAL, "policy file %s: %s is \"%.64s"
                            "\", not an absolute path", r->path, key,
                            e ? "(no string)" : text);
    *value = strdup(text);
    if (!*value)
        return lxe__err_set(r->err, ENOMEM, "policy file %s: no memory",
                            r->path);
    return 0;
}

/*
 * "NAME=MODE" or "NAME=MODE:KIB", the list's @entry; checked also where
 * NAME is another.
 */
static int one_override(const struct reader *r, struct lxe__policy *p,
                        const char *text, const char *name,
                        unsigned entry)
{
    struct lxe__policy_source *of = r->sources->of;
    const char *key = keys[LXE_KEY_MEMORY_BUMP_OVERRIDES];
    const char *eq = strrchr(text, '='), *mode, *colon;
    unsigned i;
    char *end;
    long kb = -1;

    if (!eq || eq == text)
        goto bad;
    mode = eq + 1;
    colon = strchr(mode, ':');
    for (i = 0; i < 3; i++) {
        size_t len = colon ? (size_t)(colon - mode) : strlen(mode);

        if (strlen(lxe__bump_words[i]) == len &&
            !memcmp(lxe__bump_words[i], mode, len))
            break;
    }
    if (i == 3)
        goto bad;
    if (colon) {
        errno = 0;
        kb = strtol(colon + 1, &end, 10);
        if (errno || end == colon + 1 || *end || kb < 0 || kb > LIMIT_MAX)
            return lxe__err_set(r->err, EINVAL, "policy file %s: %s:"
                                " \"%.64s\": the limit is not a number of"
                                " KiB from 0 to %ld", r->path, key, text,
                                LIMIT_MAX);
    }
    if (name && strlen(name) == (size_t)(eq - text) &&
        !memcmp(name, text, eq - text)) {
        p->memory_bump = i;
        of[LXE_KEY_MEMORY_BUMP] = (struct lxe__policy_source){
            of[LXE_KEY_MEMORY_BUMP_OVERRIDES].line, entry,
        };
        if (kb >= 0) {
            p->memory_bump_limit = kb;
            of[LXE_KEY_MEMORY_BUMP_LIMIT] = of[LXE_KEY_MEMORY_BUMP];
        }
    }
    return 0;

 bad:
    return lxe__err_set(r->err, EINVAL, "policy file %s: %s: \"%.64s\" is"
                        " not NAME=MODE or NAME=MODE:KIB with MODE strict,"
                        " bounded or track", r->path, key, text);
}

static int get_overrides(const struct reader *r, struct lxe__policy *p,
                         const char *name)
{
    const char *key = keys[LXE_KEY_MEMORY_BUMP_OVERRIDES], *text;
    XLU_ConfigList *list;
    int i, count, e;

    e = xlu_cfg_get_list(r->cfg, key, &list, &count, 1);
    if (e == ESRCH)
        return 0;
    if (e)
        return lxe__err_set(r->err, EINVAL, "policy file %s: %s is not a"
                            " list of strings in brackets", r->path, key);
    for (i = 0; i < count; i++) {
        text = xlu_cfg_get_listitem(list, i);
        if (!text)
            return lxe__err_set(r->err, EINVAL, "policy file %s: %s: item"
                                " %d is not a string", r->path, key,
                                i + 1);
        if (one_override(r, p, text, name, i + 1))
            return -1;
    }
    return 0;
}

static int get_all(const struct reader *r, struct lxe__policy *p,
                   const char *name)
{
    unsigned bump = p->memory_bump, freeze = p->freeze;
    unsigned method = p->freeze_method;
    long limit = p->memory_bump_limit, timeout = p->freeze_timeout;
    long link = p->link_timeout, claim = p->claim;

    if (get_word(r, LXE_KEY_MEMORY_BUMP, lxe__bump_words, 3, &bump) ||
        get_number(r, LXE_KEY_MEMORY_BUMP_LIMIT, 0, LIMIT_MAX, &limit) ||
        get_word(r, LXE_KEY_FREEZE, lxe__freeze_words, 3, &freeze) ||
        get_word(r, LXE_KEY_FREEZE_METHOD, lxe__method_words, 3,
                 &method) ||
        get_number(r, LXE_KEY_FREEZE_TIMEOUT, 1, TIMEOUT_MAX, &timeout) ||
        get_number(r, LXE_KEY_LINK_TIMEOUT, 0, TIMEOUT_MAX, &link) ||
        get_number(r, LXE_KEY_CLAIM, 0, 1, &claim) ||
        get_path(r, LXE_KEY_STOCK_HELPER, &p->stock_helper) ||
        get_path(r, LXE_KEY_QEMU, &p->qemu))
        return -1;
    p->memory_bump = bump;
    p->memory_bump_limit = limit;
    p->freeze = freeze;
    p->freeze_method = method;
    p->freeze_timeout = timeout;
    p->link_timeout = link;
    p->claim = claim;
    return get_overrides(r, p, name);
}

/*----- entry point -----*/

/*
 * The first line of what libxlutil has @said has file, line and what is
 * wrong there; but what an editor of another system has left cannot be
 * seen in it.
 */
static int syntax_error(const char *path, const char *text, char *said,
                        struct lxe__err *err)
{
    const char *more = !strncmp(text, "\xef\xbb\xbf", 3) ?
        ": it begins with a byte order mark: save it without" :
        strstr(text, "\r\n") ?
        ": it has carriage returns: save it with Unix line ends" : "";

    said[strcspn(said, "\n")] = '\0';
    return lxe__err_set(err, EINVAL, "policy file %s: syntax error: %.300s"
                        "%s", path, lxe__one_line(said, '?'), more);
}

int lxe__policy_load_sources(struct lxe__policy *p, const char *path,
                             const char *name,
                             struct lxe__policy_sources *sources,
                             struct lxe__err *err)
{
    const char *env = lxe__env(LXE_POLICY_ENV);
    bool named = path || env;
    char *text = NULL, *said = NULL;
    size_t len = 0, said_len;
    struct lxe__policy_sources mine = { 0 };
    struct reader r = { .err = err };
    struct lxe__err local;
    FILE *report = NULL;
    int rc, e;

    r.sources = sources ? sources : &mine;
    memset(r.sources, 0, sizeof(*r.sources));
    r.sources->file_by_env = !path && env;
    lxe__policy_init(p);
    lxe__err_init(&local);
    r.path = path ? path : env ? env : LXE_POLICY_FILE;
    p->path = strdup(r.path);
    if (!p->path)
        return lxe__err_set(err, ENOMEM, "policy file %s: no memory",
                            r.path);
    /*
     * One cut short by an error of the disk is refused, too: half a
     * policy may allow what the whole one does not.
     */
    if (lxe__read_file("policy file", r.path, FILE_MAX, &text, &len,
                       &local)) {
        if (local.code == ENOENT && !named) {
            rc = 0;     /* the defaults hold */
            goto out;
        }
        rc = lxe__err_set(err, local.code, "%s", local.msg);
        goto out;
    }
    r.sources->file_found = true;
    rc = check_no_nul(r.path, text, len, err);
    if (!rc)
        rc = check_keys(r.path, text, len, r.sources, err);
    if (rc)
        goto out;
    report = open_memstream(&said, &said_len);
    r.cfg = report ? xlu_cfg_init(report, r.path) : NULL;
    if (!r.cfg) {
        rc = lxe__err_set(err, ENOMEM, "policy file %s: no memory",
                          r.path);
        goto out;
    }
    e = xlu_cfg_readdata(r.cfg, text, len);
    fflush(report);
    if (e) {
        rc = syntax_error(r.path, text, said, err);
        goto out;
    }
    rc = get_all(&r, p, name);

 out:
    if (r.cfg)
        xlu_cfg_destroy(r.cfg);
    if (report)
        fclose(report);
    free(said);
    free(text);
    if (rc)
        lxe__policy_dispose(p);
    return rc;
}

int lxe__policy_load(struct lxe__policy *p, const char *path,
                     const char *name, struct lxe__err *err)
{
    return lxe__policy_load_sources(p, path, name, NULL, err);
}

void lxe__policy_load_or_none(struct lxe__policy *p, const char *path,
                              const char *name)
{
    struct lxe__err err;

    lxe__err_init(&err);
    lxe__policy_load(p, path, name, &err);
    p->unread = err;
}
