/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which kind of backend, and what the policy makes of it.  Pure code.
 *
 *             auto               prove     detach
 *   vbd       prove, or detach   prove     detach
 *   vif       link, or detach    link      detach
 *   qdisk     prove              prove     unfreezable
 *   console   mark               mark      mark
 *   vfb,vkbd  mark               mark      mark
 *   pci, usb  unfreezable        the same  the same
 *   other     unfreezable        the same  the same
 *
 * A backend in another domain cannot be detached, and its network
 * interface is out of reach, so link becomes prove.  docs/freeze.md has
 * the reasons.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freeze/backends.h"

static const struct {
    const char *type;
    enum lxe__bk_kind kind;
} kinds[] = {
    { "vbd", LXE_BK_VBD },
    { "vif", LXE_BK_VIF },
    { "qdisk", LXE_BK_QDISK },
    { "console", LXE_BK_CONSOLE },
    { "vfb", LXE_BK_FB },
    { "vkbd", LXE_BK_FB },
    { "pci", LXE_BK_PCI },
};

enum lxe__bk_kind lxe__backend_kind(const char *type)
{
    size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(kinds[i].type, type))
            return kinds[i].kind;
    return LXE_BK_UNKNOWN;
}

const char *lxe__act_name(enum lxe__bk_act act)
{
    switch (act) {
    case LXE_ACT_NOTHING: return "nothing";
    case LXE_ACT_MARK: return "mark";
    case LXE_ACT_PROVE: return "prove";
    case LXE_ACT_LINK: return "link";
    case LXE_ACT_DETACH: return "detach";
    case LXE_ACT_UNFREEZABLE: return "unfreezable";
    }
    return "?";
}

static bool take_number(const char **at, uint32_t *out_r)
{
    unsigned long v;
    char *end;

    /* strtoul would take a sign or blanks. */
    if (**at < '0' || **at > '9')
        return false;
    v = strtoul(*at, &end, 10);
    if (v > UINT32_MAX || end - *at > 10)
        return false;
    *out_r = v;
    *at = end;
    return true;
}

static bool take_word(const char **at, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(*at, word, len))
        return false;
    *at += len;
    return true;
}

bool lxe__backend_parse(const char *path, struct lxe__backend *b)
{
    const char *at = path, *slash;
    size_t len;

    if (strlen(path) >= sizeof(b->be_path) ||
        !take_word(&at, "/local/domain/") ||
        !take_number(&at, &b->backend_domid) ||
        !take_word(&at, "/backend/"))
        return false;
    slash = strchr(at, '/');
    if (!slash || slash == at)
        return false;
    len = slash - at;
    if (len >= sizeof(b->type) ||
        strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return false;
    memcpy(b->type, at, len);
    b->type[len] = '\0';
    at = slash + 1;
    if (!take_number(&at, &b->domid) || !take_word(&at, "/") ||
        !take_number(&at, &b->devid) || *at)
        return false;
    strcpy(b->be_path, path);
    snprintf(b->name, sizeof(b->name), "%s-%u-%u", b->type, b->domid,
             b->devid);
    b->kind = lxe__backend_kind(b->type);
    return true;
}

static struct lxe__verdict verdict(enum lxe__bk_act act,
                                   enum lxe__bk_act fallback)
{
    return (struct lxe__verdict){ .act = act, .fallback = fallback };
}

static struct lxe__verdict refuse(const char *why, const char *allow)
{
    return (struct lxe__verdict){
        .act = LXE_ACT_UNFREEZABLE, .why = why, .allow = allow,
    };
}

/* vbd, vif or qdisk: the kinds that have requests. */
static struct lxe__verdict judge_requests(const struct lxe__backend *b,
                                          enum lxe__freeze_method method)
{
    bool can_detach = b->kind != LXE_BK_QDISK && b->local;
    enum lxe__bk_act prove =
        b->kind == LXE_BK_VIF && b->local ? LXE_ACT_LINK : LXE_ACT_PROVE;

    if (method == LXE_METHOD_DETACH) {
        if (can_detach)
            return verdict(LXE_ACT_DETACH, LXE_ACT_NOTHING);
        if (b->kind == LXE_BK_QDISK)
            return refuse("QEMU cannot be made to let go of a disk",
                          "freeze_method = auto");
        return refuse("it is served by another domain and cannot be"
                      " detached from here", "freeze_method = auto");
    }
    return verdict(prove, method == LXE_METHOD_AUTO && can_detach
                          ? LXE_ACT_DETACH : LXE_ACT_NOTHING);
}

struct lxe__verdict lxe__backend_judge(const struct lxe__backend *b,
                                       const struct lxe__policy *policy)
{
    if (policy->freeze == LXE_FREEZE_OFF || !b->connected)
        return verdict(LXE_ACT_NOTHING, LXE_ACT_NOTHING);
    switch (b->kind) {
    case LXE_BK_VBD:
    case LXE_BK_VIF:
    case LXE_BK_QDISK:
        return judge_requests(b, policy->freeze_method);
    case LXE_BK_CONSOLE:
    case LXE_BK_FB:
        return verdict(LXE_ACT_MARK, LXE_ACT_NOTHING);
    case LXE_BK_PCI:
        return refuse("a PCI device is passed through to it: detach it"
                      " first (xl pci-detach)", "freeze = try");
    case LXE_BK_USB:
        return refuse("QEMU emulates this USB controller, and libxl adds"
                      " it at a restore only when QEMU has read its state,"
                      " which fails without it: no image could be"
                      " restored; detach it first (xl usbctrl-detach)",
                      "freeze = try");
    case LXE_BK_UNKNOWN:
        break;
    }
    return refuse(b->be_path[0] ? "its kind is not known to libxl-ext" :
                  "its nodes in xenstore cannot be read, or make no sense",
                  "freeze = try");
}
