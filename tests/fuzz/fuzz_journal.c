/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The freeze journal: an input is its text.
 *
 * What is taken has only names that can be trusted, and names the domain
 * that it says; written down again and read again it is the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "freeze/journal.h"
#include "freeze/journal_text.h"

static bool same_entry(const struct lxe__jentry *a,
                       const struct lxe__jentry *b)
{
    return a->undo == b->undo && a->undone == b->undone &&
        !strcmp(a->name, b->name) && !strcmp(a->driver, b->driver) &&
        !strcmp(a->vif, b->vif) && !strcmp(a->script, b->script);
}

static void same(const struct lxe__journal *a,
                 const struct lxe__journal *b)
{
    size_t i;

    must(a->domid == b->domid && !memcmp(a->uuid, b->uuid, 16));
    must(a->whole == b->whole && a->committed == b->committed);
    must(a->held == b->held && a->thaw == b->thaw && a->nr == b->nr);
    for (i = 0; i < a->nr; i++)
        must(same_entry(&a->list[i], &b->list[i]));
}

static void put(FILE *to, const char *line, int len)
{
    must(len > 0 && fwrite(line, 1, len, to) == (size_t)len);
}

static void write_again(FILE *to, const struct lxe__journal *j)
{
    char line[1024];
    size_t i;

    put(to, line, lxe__journal_format_header(line, sizeof(line), j->domid,
                                             j->uuid));
    for (i = 0; i < j->nr; i++)
        put(to, line, lxe__journal_format_intent(line, sizeof(line),
                                                 &j->list[i]));
    for (i = 0; i < j->nr; i++)
        if (j->list[i].undone)
            put(to, line, lxe__journal_format_undone(line, sizeof(line),
                                                     &j->list[i]));
    fprintf(to, "%s%s%s%s", j->whole ? "whole\n" : "",
            j->committed ? "commit\n" : "", j->held ? "hold\n" : "",
            j->thaw ? "thaw\n" : "");
}

/* An act that is undone and begun again is one entry for each time. */
static bool repeats(const struct lxe__journal *j)
{
    size_t i, k;

    for (i = 0; i < j->nr; i++)
        for (k = 0; k < i; k++)
            if (j->list[i].undo == j->list[k].undo &&
                !strcmp(j->list[i].name, j->list[k].name))
                return true;
    return false;
}

static void again(const struct lxe__journal *j)
{
    struct lxe__journal other;
    struct lxe__err err;
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    must(to != NULL);
    write_again(to, j);
    must(!fclose(to));
    lxe__err_init(&err);
    must(!lxe__journal_parse(&other, text, len, &err));
    if (!repeats(j))
        same(j, &other);
    lxe__journal_dispose(&other);
    free(text);
}

/* What the second line says, without a bound. */
static void says_domid(const uint8_t *data, size_t size, uint32_t domid)
{
    char *text = fuzz_text(data, size), *at;
    char want[16];

    snprintf(want, sizeof(want), "%u", domid);
    at = strchr(text, '\n');
    must(at != NULL);
    /* Blanks part the words, and may stand ahead of the first. */
    at += 1 + strspn(at + 1, " ");
    must(!strncmp(at, "domain ", strlen("domain ")));
    at += strlen("domain ");
    at += strspn(at, " ");
    at += strspn(at, "0");
    /* Leading zeros are passed over, down to the last one. */
    if (!domid)
        at--;
    must(!strncmp(at, want, strlen(want)) && at[strlen(want)] == ' ');
    free(text);
}

static void as_file(const uint8_t *data, size_t size,
                    const struct lxe__journal *j)
{
    int fd = fuzz_file(data, size);
    struct lxe__journal other;
    struct lxe__err err;

    lxe__err_init(&err);
    must(!lxe__journal_read(&other, fd, &err));
    same(j, &other);
    lxe__journal_dispose(&other);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lxe__journal j;
    struct lxe__err err;
    void *copy;
    size_t i;

    fuzz_begin();
    copy = fuzz_exact(data, size);
    lxe__err_init(&err);
    if (lxe__journal_parse(&j, copy, size, &err)) {
        fuzz_refused(&err);
        must(!j.list && !j.nr && !j.domid);
    } else {
        for (i = 0; i < j.nr; i++)
            must(lxe__jentry_valid(&j.list[i], j.domid));
        says_domid(data, size, j.domid);
        again(&j);
        as_file(data, size, &j);
        lxe__journal_dispose(&j);
    }
    free(copy);
    fuzz_end();
    return 0;
}
