/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A configuration file in place of the one that a guest has.
 *
 * xl's syntax is read by xl alone: libxlutil has its words, and what they
 * mean is in no library.  So xl is asked what it makes of the file, which
 * "xl -N create" prints as JSON.  Such JSON is taken as a file, too.
 *
 * With a wrong one the guest would be lost at its restore: what can be
 * seen to be wrong is refused here.  xl makes a uuid up where the file
 * has none; the guest keeps its own then, by which an image and a peer
 * know it.
 */
#include <errno.h>
#include <libxlutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guest.h"
#include "transport.h"

#define CONFIG_MAX (1U << 20)
#define XL_MS      30000
#define XL_END_MS  5000

/*
 * The text of @file, with a NUL after it; NULL with a line.  As with xl
 * it is a plain file: it is read twice.
 */
static char *read_text(struct guest *g, const char *file)
{
    char *text = malloc(CONFIG_MAX + 1);
    struct stat st;
    FILE *f = NULL;
    size_t len;

    if (!text || stat(file, &st))
        goto fail;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        goto fail;
    }
    f = fopen(file, "re");
    if (!f)
        goto fail;
    len = fread(text, 1, CONFIG_MAX + 1, f);
    if (ferror(f))
        goto fail;
    fclose(f);
    if (len <= CONFIG_MAX && !memchr(text, '\0', len)) {
        text[len] = '\0';
        return text;
    }
    guest_error(g, "%s is no configuration: that is text of at most %u"
                " bytes", file, CONFIG_MAX);
    free(text);
    return NULL;

 fail:
    guest_error(g, "cannot read the configuration %s: %s", file,
                strerror(errno));
    if (f)
        fclose(f);
    free(text);
    return NULL;
}

/* What xl makes of @file, as JSON; NULL with a line. */
static char *ask_xl(struct guest *g, const char *file)
{
    char *json = calloc(1, CONFIG_MAX + 1);
    struct transport t;
    ssize_t n = -1;

    if (!json || transport_open(&t, "xl -N create -q", "-f", file)) {
        guest_error(g, "cannot start xl: %s", strerror(errno));
        goto fail;
    }
    n = transport_read(&t, json, CONFIG_MAX, XL_MS, &guest_signalled);
    if (n < 0)
        guest_error(g, "no answer of xl on %s: %s", file, strerror(errno));
    transport_close(&t, XL_END_MS);
    if (n < 0)
        goto fail;
    if (*json == '{')
        return json;
    guest_error(g, *json ? "%s: xl does not answer in JSON: is it"
                " output_format=\"sxp\" in xl.conf?" : "%s: xl does not"
                " take it, and has said why above", file);

 fail:
    free(json);
    return NULL;
}

/* 1: @text, in xl's syntax, has a uuid, 0: it has none. */
static int says_uuid(const char *text, const char *file)
{
    XLU_Config *cfg = xlu_cfg_init(stderr, file);
    const char *uuid;
    int found = cfg && !xlu_cfg_readdata(cfg, text, strlen(text)) &&
        !xlu_cfg_get_string(cfg, "uuid", &uuid, 1);

    if (cfg)
        xlu_cfg_destroy(cfg);
    return found;
}

static int parse(struct guest *g, const char *file, const char *text,
                 libxl_domain_config *config)
{
    char first = text[strspn(text, " \t\r\n")], *json = NULL;
    int rc;

    if (first == '[') {
        guest_error(g, "%s is a list: of what \"xl list -l\" says, the"
                    " config of the one guest is wanted (jq"
                    " '.[0].config')", file);
        return -1;
    }
    if (first != '{') {
        json = ask_xl(g, file);
        if (!json)
            return -1;
    }
    if (libxl_ext_config_check(g->ctx, json ? json : text)) {
        guest_error(g, "%s: %s", file, libxl_ext_error(g->ctx));
        free(json);
        return -1;
    }
    rc = libxl_domain_config_from_json(g->libxl, config,
                                       json ? json : text);
    if (rc)
        guest_error(g, "%s: libxl does not take it as a configuration (rc"
                    " %d)", file, rc);
    else if (json && !says_uuid(text, file))
        libxl_uuid_clear(&config->c_info.uuid);
    free(json);
    return rc ? -1 : 0;
}

/* Is it of the guest that has @was?  Its uuid is filled in. */
static int check(struct guest *g, const char *file,
                 const libxl_domain_config *was, libxl_domain_config *now)
{
    const libxl_domain_build_info *old = &was->b_info;
    const libxl_domain_build_info *new = &now->b_info;
    libxl_uuid *uuid = &now->c_info.uuid;

    if (libxl_uuid_is_nil(uuid))
        *uuid = was->c_info.uuid;
    if (!now->c_info.name || !*now->c_info.name)
        guest_error(g, "%s gives the guest no name", file);
    else if (now->c_info.type != was->c_info.type)
        guest_error(g, "%s is of a guest of type %s, this one is %s", file,
                    libxl_domain_type_to_string(now->c_info.type),
                    libxl_domain_type_to_string(was->c_info.type));
    else if (new->type != now->c_info.type)
        guest_error(g, "%s has two types, %s and %s", file,
                    libxl_domain_type_to_string(now->c_info.type),
                    libxl_domain_type_to_string(new->type));
    else if (libxl_uuid_compare(uuid, &was->c_info.uuid))
        guest_error(g, "%s has uuid "LIBXL_UUID_FMT", the guest "
                    LIBXL_UUID_FMT", which it keeps: leave it out", file,
                    LIBXL_UUID_BYTES(*uuid),
                    LIBXL_UUID_BYTES(was->c_info.uuid));
    else if (new->max_vcpus < old->max_vcpus)
        guest_error(g, "%s gives the guest %d vcpus, it has %d: it could"
                    " not be restored", file, new->max_vcpus,
                    old->max_vcpus);
    else if (old->target_memkb != LIBXL_MEMKB_DEFAULT &&
             (new->target_memkb == LIBXL_MEMKB_DEFAULT ||
              new->target_memkb < old->target_memkb))
        guest_error(g, "%s gives the guest %llu KiB of memory, it has"
                    " %llu: it could not be restored", file,
                    new->target_memkb == LIBXL_MEMKB_DEFAULT ? 0ULL :
                    (unsigned long long)new->target_memkb,
                    (unsigned long long)old->target_memkb);
    else
        return 0;
    return -1;
}

int guest_config_file(struct guest *g, const char *file,
                      libxl_domain_config *config)
{
    libxl_domain_config own;
    char *text = read_text(g, file);
    int r = -1;

    libxl_domain_config_init(&own);
    if (text && !parse(g, file, text, &own) &&
        !check(g, file, config, &own)) {
        libxl_domain_config_dispose(config);
        *config = own;
        libxl_domain_config_init(&own);
        r = 0;
    }
    libxl_domain_config_dispose(&own);
    free(text);
    return r;
}
