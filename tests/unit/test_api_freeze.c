/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Backends, freeze and thaw as public calls, as far as they go without
 * a hypervisor: what is refused, what the journal says, and how a thaw
 * by hand and the guardian find each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <libxl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_xen.h"
#include "base/clock.h"
#include "freeze/guard.h"
#include "freeze/journal.h"
#include "freeze/mark.h"
#include "libxl_ext.h"
#include "session/lock.h"
#include "unit.h"

#define SUSPENDED (XEN_DOMINF_shutdown |                                \
                   SHUTDOWN_suspend << XEN_DOMINF_shutdownshift)

static libxl_ext_ctx *ctx;
static char dir[64];
static const uint8_t uuid[16] = { [15] = 5 };
static const struct lxe__jentry disk = {
    .undo = LXE_UNDO_UNBIND, .name = "vbd-5-51712", .driver = "vbd",
};

static void set_up(uint32_t flags)
{
    strcpy(dir, "/tmp/lxe-freeze-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    setenv(LXE_RUNDIR_ENV, dir, 1);
    fake_xen_on();
    fake_xen_domain(5, flags, 1000, 1000);
    fake_xen_node("/local/domain/5/name", "web");
    CU_ASSERT_EQUAL_FATAL(libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION,
                                              NULL, NULL), 0);
}

static bool has_journal(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/5.journal", dir);
    return !access(path, F_OK);
}

static void tear_down(void)
{
    lxe__journal_remove(5, NULL);
    rmdir(dir);
    unsetenv(LXE_RUNDIR_ENV);
    libxl_ext_ctx_free(ctx);
    fake_xen_off();
}

static void add_devices(void)
{
    fake_xen_node("/libxl/5/device/vbd/51712/backend",
                  "/local/domain/0/backend/vbd/5/51712");
    fake_xen_node("/libxl/5/device/vbd/51712/frontend",
                  "/local/domain/5/device/vbd/51712");
    fake_xen_node("/local/domain/0/backend/vbd/5/51712/state", "4");
    fake_xen_node("/libxl/5/device/vif/0/backend",
                  "/local/domain/0/backend/vif/5/0");
    fake_xen_node("/libxl/5/device/vif/0/frontend",
                  "/local/domain/5/device/vif/0");
    fake_xen_node("/local/domain/0/backend/vif/5/0/state", "1");
    fake_xen_node("/libxl/5/device/usb/1/backend",
                  "/local/domain/0/backend/usb/5/1");
    fake_xen_node("/libxl/5/device/usb/1/frontend",
                  "/local/domain/5/device/usb/1");
    fake_xen_node("/local/domain/0/backend/usb/5/1/state", "4");
}

/*----- log-dirty -----*/

static void logdirty_is_switched_off(void)
{
    struct lxe__err err;

    set_up(SUSPENDED);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__logdirty_off(NULL, 5, &err), 0);
    CU_ASSERT_EQUAL(fake_xen.shadow_domid, 5);
    CU_ASSERT_EQUAL(fake_xen.shadow_op, XEN_DOMCTL_SHADOW_OP_OFF);
    fake_xen.shadow_error = EBUSY;
    CU_ASSERT_EQUAL(lxe__logdirty_off(NULL, 5, &err), -1);
    CU_ASSERT_EQUAL(err.code, EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "domain 5 cannot be"));
    tear_down();
}

/*----- backends -----*/

static void backends_with_method_and_state(void)
{
    libxl_ext_backend_list l;

    set_up(0);
    add_devices();
    CU_ASSERT_EQUAL_FATAL(libxl_ext_backends_list(ctx, 5, &l), 0);
    CU_ASSERT_EQUAL(l.domid, 5);
    CU_ASSERT_EQUAL_FATAL(l.num_backends, 3);
    CU_ASSERT_STRING_EQUAL(l.backends[0].name, "vbd-5-51712");
    CU_ASSERT_EQUAL(l.backends[0].kind, LIBXL_EXT_BACKEND_KIND_VBD);
    CU_ASSERT_EQUAL(l.backends[0].devid, 51712);
    CU_ASSERT_EQUAL(l.backends[0].method, LIBXL_EXT_BACKEND_METHOD_PROVE);
    CU_ASSERT_EQUAL(l.backends[0].state,
                    LIBXL_EXT_BACKEND_STATE_CONNECTED);
    CU_ASSERT_EQUAL(l.backends[1].state,
                    LIBXL_EXT_BACKEND_STATE_DISCONNECTED);
    CU_ASSERT_EQUAL(l.backends[1].method,
                    LIBXL_EXT_BACKEND_METHOD_NOTHING);
    CU_ASSERT_EQUAL(l.backends[2].kind, LIBXL_EXT_BACKEND_KIND_UNKNOWN);
    CU_ASSERT_EQUAL(l.backends[2].method,
                    LIBXL_EXT_BACKEND_METHOD_UNFREEZABLE);
    CU_ASSERT_STRING_EQUAL(l.backends[2].setting, "freeze = try");
    CU_ASSERT_PTR_NOT_NULL(l.backends[2].why);
    libxl_ext_backend_list_dispose(&l);
    CU_ASSERT_EQUAL(libxl_ext_backends_list(ctx, 6, &l),
                    ERROR_DOMAIN_NOTFOUND);
    tear_down();
}

static void expect_disk(libxl_ext_backend_state state)
{
    libxl_ext_backend_list l;

    CU_ASSERT_EQUAL_FATAL(libxl_ext_backends_list(ctx, 5, &l), 0);
    CU_ASSERT_EQUAL(l.backends[0].state, state);
    CU_ASSERT_EQUAL(l.backends[1].state,
                    LIBXL_EXT_BACKEND_STATE_DISCONNECTED);
    libxl_ext_backend_list_dispose(&l);
}

static void what_the_journal_names_is_frozen(void)
{
    static const uint8_t other[16] = { 1 };
    int fd;

    set_up(SUSPENDED);
    add_devices();
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    expect_disk(LIBXL_EXT_BACKEND_STATE_CONNECTED);
    CU_ASSERT_EQUAL(lxe__journal_intent(fd, 5, &disk, NULL), 0);
    expect_disk(LIBXL_EXT_BACKEND_STATE_FROZEN);
    CU_ASSERT_EQUAL(lxe__journal_undone(fd, &disk, NULL), 0);
    expect_disk(LIBXL_EXT_BACKEND_STATE_CONNECTED);
    close(fd);
    /* Of a domain that had this id before. */
    lxe__journal_remove(5, NULL);
    fd = lxe__journal_create(5, other, NULL);
    CU_ASSERT_EQUAL(lxe__journal_intent(fd, 5, &disk, NULL), 0);
    close(fd);
    expect_disk(LIBXL_EXT_BACKEND_STATE_CONNECTED);
    tear_down();
}

/*----- freeze -----*/

static void refused(uint32_t flags, int code, const char *words)
{
    libxl_ext_freeze_report r;

    set_up(flags);
    memset(&r, 0xff, sizeof(r));
    CU_ASSERT_EQUAL(libxl_ext_freeze(ctx, 5, NULL, &r), code);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), words));
    CU_ASSERT_EQUAL(r.backends, 0);
    CU_ASSERT_FALSE(has_journal());
    tear_down();
}

static void a_guest_that_runs_is_not_frozen(void)
{
    libxl_ext_freeze_report r;

    refused(0, ERROR_INVAL, "domain 5 is neither suspended nor");
    refused(XEN_DOMINF_running, ERROR_INVAL, "pause it (xl pause 5)");
    refused(XEN_DOMINF_blocked, ERROR_INVAL, "or suspend it first");
    /* It stands still, and has not been asked to. */
    refused(XEN_DOMINF_shutdown |
            SHUTDOWN_crash << XEN_DOMINF_shutdownshift, ERROR_INVAL,
            "neither suspended nor paused");
    refused(XEN_DOMINF_dying | SUSPENDED, ERROR_DOMAIN_NOTFOUND,
            "being destroyed");
    set_up(0);
    CU_ASSERT_EQUAL(libxl_ext_freeze(ctx, 6, NULL, &r),
                    ERROR_DOMAIN_NOTFOUND);
    tear_down();
}

static void what_is_held_is_not_frozen_again(void)
{
    libxl_ext_freeze_report r;
    int fd;

    set_up(XEN_DOMINF_paused);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(lxe__journal_hold(fd, NULL), 0);
    /* The guardian. */
    CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
    CU_ASSERT_EQUAL(libxl_ext_freeze(ctx, 5, NULL, &r), ERROR_LOCK_FAIL);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx),
                                  "was frozen by hand"));
    CU_ASSERT_TRUE(has_journal());
    close(fd);
    tear_down();
}

/*----- thaw -----*/

static void nothing_frozen_is_no_error(void)
{
    set_up(0);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, NULL), 0);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 6, false, NULL),
                    ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), "domain 6"));
    tear_down();
}

static void an_operation_under_way_is_not_disturbed(void)
{
    int fd;

    set_up(SUSPENDED);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, NULL), ERROR_LOCK_FAIL);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, true, NULL), ERROR_LOCK_FAIL);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx),
                                  "has not ended"));
    close(fd);
    tear_down();
}

/* Also where its toolstack has not said yet that a copy may run. */
static void a_complete_image_needs_force(void)
{
    int fd, i;

    for (i = 0; i < 2; i++) {
        set_up(SUSPENDED);
        fd = lxe__journal_create(5, uuid, NULL);
        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT_EQUAL(i ? lxe__journal_whole(fd, NULL)
                          : lxe__journal_commit(fd, NULL), 0);
        close(fd);
        CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, NULL),
                        ERROR_LOCK_FAIL);
        CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx),
                                      "image is complete"));
        CU_ASSERT_TRUE(has_journal());
        CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, true, NULL), 0);
        CU_ASSERT_FALSE(has_journal());
        tear_down();
    }
}

/* A migrate whose guardians were killed: it may send GO any moment. */
static void a_toolstack_that_lives_is_not_disturbed(void)
{
    int fd, lock;

    set_up(SUSPENDED);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    lock = lxe__operation_lock(5, "migrate", getpid(), NULL);
    CU_ASSERT_FATAL(lock >= 0);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, NULL), ERROR_LOCK_FAIL);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), "a migrate by"));
    CU_ASSERT_TRUE(has_journal());
    lxe__operation_unlock(lock, 5);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, NULL), 0);
    CU_ASSERT_FALSE(has_journal());
    tear_down();
}

/* Its guardian was killed, and so was the one that watched over it. */
static void what_is_held_by_nobody_is_thawed_here(void)
{
    int fd;

    set_up(SUSPENDED);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    /* A device that is gone counts as undone. */
    CU_ASSERT_EQUAL(lxe__journal_intent(fd, 5, &disk, NULL), 0);
    CU_ASSERT_EQUAL(lxe__journal_hold(fd, NULL), 0);
    close(fd);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, NULL), 0);
    CU_ASSERT_FALSE(has_journal());
    tear_down();
}

/* What a guardian does: waits for the word, removes, lets go. */
static void __attribute__((noreturn)) act_as_guardian(int ready)
{
    int fd = lxe__journal_open(5, NULL), i;
    struct lxe__journal j;
    bool asked = false;

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) ||
        write(ready, "R", 1) != 1)
        _exit(1);
    for (i = 0; i < 2000 && !asked; i++) {
        lxe__sleep_ms(5);
        if (lxe__journal_read(&j, fd, NULL))
            _exit(2);
        asked = j.thaw;
        lxe__journal_dispose(&j);
    }
    if (lxe__journal_remove(5, NULL))
        _exit(3);
    _exit(asked ? 0 : 4);
}

static void a_guardian_that_holds_is_asked(void)
{
    int fd, ready[2], status = -1;
    char c;
    pid_t pid;

    set_up(SUSPENDED);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(lxe__journal_hold(fd, NULL), 0);
    close(fd);
    CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
    pid = fork();
    if (!pid)
        act_as_guardian(ready[1]);
    CU_ASSERT_EQUAL_FATAL(read(ready[0], &c, 1), 1);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, NULL), 0);
    CU_ASSERT_FALSE(has_journal());
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
    close(ready[0]);
    close(ready[1]);
    tear_down();
}

/*----- cancelling -----*/

#define SOON_MS 200

static void *cancel_soon(void *op)
{
    lxe__sleep_ms(SOON_MS);
    libxl_ext_op_cancel(op);
    return NULL;
}

/* A thaw that another thread cancels; it was under way, and ends then. */
static void thaw_cancelled(const char *words)
{
    libxl_ext_op *op = libxl_ext_op_alloc(NULL, NULL);
    double start = lxe__now_ms(), ms;
    pthread_t thread;

    CU_ASSERT_PTR_NOT_NULL_FATAL(op);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancel_soon, op),
                          0);
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, op), ERROR_ABORTED);
    ms = lxe__now_ms() - start;
    CU_ASSERT_TRUE(ms >= SOON_MS && ms < 5000);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), words));
    CU_ASSERT_TRUE(has_journal());
    pthread_join(thread, NULL);
    /* It stays cancelled; its own result is another matter. */
    CU_ASSERT_EQUAL(libxl_ext_thaw(ctx, 5, false, op), ERROR_ABORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), "before it"));
    CU_ASSERT_PTR_NULL(libxl_ext_op_error(op));
    libxl_ext_op_free(op);
}

/* The word is there: the guardian thaws when it can. */
static void a_thaw_that_waits_for_a_guardian_is_cancelled(void)
{
    struct lxe__journal j;
    int fd;

    set_up(SUSPENDED);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(lxe__journal_hold(fd, NULL), 0);
    CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
    thaw_cancelled("told to stop; its guardian goes on");
    CU_ASSERT_EQUAL(lxe__journal_read(&j, fd, NULL), 0);
    CU_ASSERT_TRUE(j.thaw);
    lxe__journal_dispose(&j);
    close(fd);
    tear_down();
}

/* Nobody lets it run before its time is up. */
static void a_thaw_that_waits_for_a_toolstack_is_cancelled(void)
{
    int fd;

    set_up(SUSPENDED);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(lxe__journal_suspend(fd, NULL), 0);
    close(fd);
    thaw_cancelled("still suspended: xl-ext thaw 5");
    tear_down();
}

static void a_freeze_that_was_cancelled_does_not_begin(void)
{
    libxl_ext_op *op = libxl_ext_op_alloc(NULL, NULL);
    libxl_ext_freeze_report r;

    set_up(XEN_DOMINF_paused);
    CU_ASSERT_PTR_NOT_NULL_FATAL(op);
    libxl_ext_op_cancel(op);
    CU_ASSERT_EQUAL(libxl_ext_freeze(ctx, 5, op, &r), ERROR_ABORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), "before it"));
    CU_ASSERT_FALSE(has_journal());
    libxl_ext_op_free(op);
    tear_down();
}

/* "Gone" is what Xen says, and no call that failed. */
static void a_journal_outlives_a_call_that_fails(void)
{
    struct lxe__err err;
    int fd;

    set_up(SUSPENDED);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(lxe__journal_intent(fd, 5, &disk, NULL), 0);
    close(fd);
    lxe__err_init(&err);
    fake_xen.getinfo_error = EFAULT;
    CU_ASSERT_EQUAL(lxe__guard_recover(NULL, NULL, 5, 0, false, NULL,
                                       NULL, &err), -1);
    CU_ASSERT_EQUAL(err.code, EFAULT);
    CU_ASSERT_TRUE(has_journal());
    fake_xen.getinfo_error = 0;
    CU_ASSERT_EQUAL(lxe__guard_recover(NULL, NULL, 6, 0, false, NULL,
                                       NULL, NULL), 0);
    CU_ASSERT_TRUE(has_journal());
    fake_xen.nr_domains = 0;
    CU_ASSERT_EQUAL(lxe__guard_recover(NULL, NULL, 5, 0, false, NULL,
                                       NULL, NULL), 0);
    CU_ASSERT_FALSE(has_journal());
    tear_down();
}

/* It blocks each save of that domain, so its line says what to do. */
static void a_damaged_journal_is_named(void)
{
    struct lxe__err err;
    char path[128];
    int fd;

    set_up(0);
    fd = lxe__journal_create(5, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, "intent\n", 7), 7);
    close(fd);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__guard_recover(NULL, NULL, 5, 0, false, NULL,
                                       NULL, &err), -1);
    snprintf(path, sizeof(path), "remove %s/5.journal", dir);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, path));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "line 3"));
    CU_ASSERT_TRUE(has_journal());
    tear_down();
}

/* It says nothing against the journal, which may name what is frozen. */
static void a_journal_that_cannot_be_read_is_kept(void)
{
    struct lxe__err err;
    char path[128];

    set_up(0);
    /* Can be opened, and not be read at a place. */
    snprintf(path, sizeof(path), "%s/5.journal", dir);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__guard_recover(NULL, NULL, 5, 0, false, NULL,
                                       NULL, &err), -1);
    CU_ASSERT_EQUAL(err.code, ESPIPE);
    CU_ASSERT_PTR_NULL(strstr(err.msg, "remove"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "try again"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, path));
    CU_ASSERT_TRUE(has_journal());
    tear_down();
}

LXE_SUITE(api_freeze,
    { "a journal outlives a call that fails",
      a_journal_outlives_a_call_that_fails },
    { "a damaged journal is named", a_damaged_journal_is_named },
    { "a journal that cannot be read is kept",
      a_journal_that_cannot_be_read_is_kept },
    { "log-dirty is switched off", logdirty_is_switched_off },
    { "backends with method and state", backends_with_method_and_state },
    { "what the journal names is frozen",
      what_the_journal_names_is_frozen },
    { "a guest that runs is not frozen", a_guest_that_runs_is_not_frozen },
    { "what is held is not frozen again",
      what_is_held_is_not_frozen_again },
    { "nothing frozen is no error", nothing_frozen_is_no_error },
    { "an operation under way is not disturbed",
      an_operation_under_way_is_not_disturbed },
    { "a complete image needs force", a_complete_image_needs_force },
    { "a toolstack that lives is not disturbed",
      a_toolstack_that_lives_is_not_disturbed },
    { "what is held by nobody is thawed here",
      what_is_held_by_nobody_is_thawed_here },
    { "a guardian that holds is asked", a_guardian_that_holds_is_asked },
    { "a thaw that waits for a guardian is cancelled",
      a_thaw_that_waits_for_a_guardian_is_cancelled },
    { "a thaw that waits for a toolstack is cancelled",
      a_thaw_that_waits_for_a_toolstack_is_cancelled },
    { "a freeze that was cancelled does not begin",
      a_freeze_that_was_cancelled_does_not_begin })
