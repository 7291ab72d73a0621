/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext precheck: would another host take a guest, and could this one
 * send it?
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"
#include "guest.h"
#include "migrate.h"

/*----- what this host itself would refuse -----*/

/* The other host's own answer stays, if it is a no. */
static void refuse(libxl_ext_migrate_answer *a, char *reason)
{
    if (!a->accepted) {
        free(reason);
        return;
    }
    a->accepted = false;
    free(a->reason);
    a->reason = reason;
}

static int judge_limit(struct guest *g, uint32_t domid,
                       libxl_ext_migrate_answer *a)
{
    libxl_ext_domain_memory m;

    if (libxl_ext_memory_get(g->ctx, domid, &m))
        return -1;
    if (!m.verdict.allowed) {
        refuse(a, m.verdict.reason);
        m.verdict.reason = NULL;
    }
    libxl_ext_domain_memory_dispose(&m);
    return 0;
}

/* Moves those that cannot be frozen out of the list of all. */
static int find_unfreezable(struct guest *g, uint32_t domid,
                            libxl_ext_precheck *p)
{
    libxl_ext_backend_list list;
    libxl_ext_backend *to;
    uint32_t i;

    if (libxl_ext_backends_list(g->ctx, domid, &list))
        return -1;
    p->unfreezable = calloc(list.num_backends + 1,
                            sizeof(*p->unfreezable));
    for (i = 0; p->unfreezable && i < list.num_backends; i++) {
        if (list.backends[i].method !=
            LIBXL_EXT_BACKEND_METHOD_UNFREEZABLE)
            continue;
        to = &p->unfreezable[p->num_unfreezable++];
        *to = list.backends[i];
        libxl_ext_backend_init(&list.backends[i]);
    }
    libxl_ext_backend_list_dispose(&list);
    return 0;
}

static int judge_backends(struct guest *g, uint32_t domid,
                          libxl_ext_precheck *p)
{
    libxl_ext_policy_report r;
    const libxl_ext_backend *b;
    char *reason;

    if (find_unfreezable(g, domid, p) ||
        libxl_ext_policy_get_domain(g->ctx, domid, &r))
        return -1;
    b = p->num_unfreezable ? p->unfreezable : NULL;
    if (b && r.policy.freeze == LIBXL_EXT_FREEZE_MODE_REQUIRE &&
        asprintf(&reason, "backend %s here cannot be frozen: %s; %s would"
                 " allow it", b->name, b->why, b->setting) >= 0)
        refuse(&p->answer, reason);
    libxl_ext_policy_report_dispose(&r);
    return 0;
}

/*----- what is said -----*/

/* @answer is the other host's, and this may be a terminal. */
static void print_answer(const char *ahead, const char *answer,
                         const char *behind)
{
    fputs(ahead, stdout);
    print_clean(answer);
    fputs(behind, stdout);
}

static void print_peer(const libxl_ext_precheck *p)
{
    printf("%s: libxl-ext ", p->host);
    print_answer("", p->answer.version, ", Xen ");
    print_answer("", p->answer.xen_version, "\n");
}

static void print_precheck(const libxl_ext_precheck *p)
{
    const libxl_ext_migrate_answer *a = &p->answer;
    uint32_t i;

    if (p->peer == LIBXL_EXT_PEER_KIND_STOCK)
        printf("%s: stock xl, without libxl-ext: it does not say how much"
               " memory is free there, nor its versions\n", p->host);
    else
        print_peer(p);
    printf("the guest needs %"PRIu64" pages", a->need_pages);
    if (p->peer == LIBXL_EXT_PEER_KIND_EXT)
        printf(", %"PRIu64" are free there", a->free_pages);
    printf("; its limit may be %"PRIu64" pages there\n", a->bound_pages);
    if (a->short_pages)
        printf("short of memory by %"PRIu64" pages (%"PRIu64" KiB)\n",
               a->short_pages, a->short_pages * 4);
    if (a->over_pages)
        printf("its limit is %"PRIu64" pages (%"PRIu64" KiB) too high"
               " there\n", a->over_pages, a->over_pages * 4);
    for (i = 0; i < p->num_unfreezable; i++)
        printf("backend %s cannot be frozen: %s (%s)\n",
               p->unfreezable[i].name, p->unfreezable[i].why,
               p->unfreezable[i].setting);
    if (a->accepted)
        puts("it would be taken");
    else
        print_answer("it would be refused: ",
                     a->reason ? a->reason : "it does not say why", "\n");
}

enum {
    OPT_JSON, OPT_TO, OPT_SHELL, OPT_TIMEOUT, OPT_RECEIVE, OPT_PAUSED,
    OPT_KEEP_DOMID, OPT_CONFIG
};

static int precheck(struct guest *g, uint32_t domid,
                    const struct migrate_way *w)
{
    const struct command_call *call = g->call;
    libxl_ext_migrate_params params;
    libxl_ext_precheck p;
    struct transport t;
    char *config;
    int rc = EXIT_CANNOT;

    libxl_ext_migrate_params_init(&params);
    libxl_ext_precheck_init(&p);
    config = migrate_prepare(g, domid, w, &params, &t);
    if (!config)
        goto out;
    p.host = strdup(w->host);
    if (libxl_ext_domain_precheck(g->ctx, domid, config, t.to, t.from,
                                  &params, NULL, &p.peer, &p.answer) ||
        judge_limit(g, domid, &p.answer) || judge_backends(g, domid, &p)) {
        guest_error(g, "%s", libxl_ext_error(g->ctx));
    } else {
        rc = p.answer.accepted ? EXIT_WELL : EXIT_NO;
        if (!command_has(call, OPT_JSON))
            print_precheck(&p);
        else if (command_json(call, libxl_ext_precheck_to_json(&p)))
            rc = EXIT_CANNOT;
    }
    transport_close(&t, MIGRATE_CLOSE_MS);

 out:
    free(config);
    libxl_ext_precheck_dispose(&p);
    libxl_ext_migrate_params_dispose(&params);
    return rc;
}

static int run_precheck(const struct command_call *call)
{
    const struct migrate_way way = {
        .host = call->values[OPT_TO], .shell = call->values[OPT_SHELL],
        .receive = call->values[OPT_RECEIVE],
        .timeout = call->values[OPT_TIMEOUT],
        .config = call->values[OPT_CONFIG],
        .paused = command_has(call, OPT_PAUSED),
        .keep_domid = command_has(call, OPT_KEEP_DOMID),
    };
    struct guest g;
    uint32_t domid;
    int rc = EXIT_CANNOT;

    if (!way.host) {
        command_error(call, "--to is missing: which host is asked?");
        return EXIT_CANNOT;
    }
    if (!guest_open(&g, call, false, false)) {
        if (!guest_find(&g, call->args[0], &domid))
            rc = precheck(&g, domid, &way);
    }
    guest_free(&g);
    return rc;
}

const struct command precheck_commands[] = {
    { .name = "precheck", .args = "DOMAIN", .nr_args = 1,
      .help = "ask another host whether it would take a guest",
      .options = {
          [OPT_JSON] = { "--json", NULL, "print the answer as one JSON"
                         " object" },
          [OPT_TO] = { "--to", "HOST", "the host to ask" },
          MIGRATE_WAY_OPTIONS(OPT_SHELL, OPT_TIMEOUT, OPT_RECEIVE),
          [OPT_PAUSED] = { "-p", NULL, "ask for a guest that is left"
                           " paused there" },
          [OPT_KEEP_DOMID] = { "-D", NULL, "ask for one that keeps its"
                               " domain id there" },
          [OPT_CONFIG] = MIGRATE_CONFIG_OPTION },
      .run = run_precheck },
    { 0 }
};
