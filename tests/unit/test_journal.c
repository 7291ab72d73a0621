/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The journal of what is frozen (freeze/journal.c, journal_file.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "freeze/journal.h"
#include "freeze/journal_text.h"
#include "fill.h"
#include "unit.h"

static const uint8_t uuid[16] = { 0xde, 0xad, 0, 1, 2, 3, [15] = 0xff };

static const struct lxe__jentry disk = {
    .undo = LXE_UNDO_UNBIND, .name = "vbd-7-51712", .driver = "vbd",
};
static const struct lxe__jentry card = {
    .undo = LXE_UNDO_UNBIND, .name = "vif-7-0", .driver = "vif",
    .vif = "vif7.0", .script = "/etc/xen/scripts/my script%",
};
static const struct lxe__jentry net_link = {
    .undo = LXE_UNDO_LINK, .name = "vif-7-1", .driver = "vif",
    .vif = "web0",
};

static struct lxe__journal j;
static struct lxe__err err;

static int parse(const char *text)
{
    lxe__err_init(&err);
    return lxe__journal_parse(&j, text, strlen(text), &err);
}

/* A whole journal; returns its length. */
static int write_all(char *out, size_t room)
{
    int len = lxe__journal_format_header(out, room, 7, uuid);

    len += lxe__journal_format_intent(out + len, room - len, &net_link);
    len += lxe__journal_format_intent(out + len, room - len, &disk);
    len += lxe__journal_format_intent(out + len, room - len, &card);
    len += lxe__journal_format_undone(out + len, room - len, &disk);
    out[len] = '\0';
    return len;
}

static bool same(const struct lxe__jentry *a, const struct lxe__jentry *b)
{
    return a->undo == b->undo && !strcmp(a->name, b->name) &&
        !strcmp(a->driver, b->driver) && !strcmp(a->vif, b->vif) &&
        !strcmp(a->script, b->script);
}

static void written_and_read(void)
{
    char text[2048];

    write_all(text, sizeof(text));
    CU_ASSERT_EQUAL_FATAL(parse(text), 0);
    CU_ASSERT_EQUAL(j.domid, 7);
    CU_ASSERT_EQUAL(memcmp(j.uuid, uuid, 16), 0);
    CU_ASSERT_EQUAL_FATAL(j.nr, 3);
    CU_ASSERT_TRUE(same(&j.list[0], &net_link) && !j.list[0].undone);
    CU_ASSERT_TRUE(same(&j.list[1], &disk) && j.list[1].undone);
    CU_ASSERT_TRUE(same(&j.list[2], &card) && !j.list[2].undone);
    CU_ASSERT_FALSE(j.committed);
    lxe__journal_dispose(&j);
}

static void committed(void)
{
    char text[2048];
    int len = write_all(text, sizeof(text));

    strcpy(text + len, "commit\n");
    CU_ASSERT_EQUAL_FATAL(parse(text), 0);
    CU_ASSERT_TRUE(j.committed);
    CU_ASSERT_FALSE(j.held);
    lxe__journal_dispose(&j);
}

/* Each line, cut and whole, after all that comes before it. */
static void whose_it_is_that_the_guest_is_suspended(void)
{
    static const struct {
        const char *word;
        bool ours, asked;
    } lines[] = {
        { "suspend", true, true },
        { "answered", true, false },
        { "whole", true, false },
        { "ran", false, false },
        { "suspend", true, true },
        { "ran", false, false },
        { "suspend", true, true },
        { "commit", false, false },
    };
    bool ours = false, asked = false;
    char text[2048];
    size_t i;

    write_all(text, sizeof(text));
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        strcat(text, lines[i].word);
        CU_ASSERT_EQUAL_FATAL(parse(text), 0);
        CU_ASSERT_TRUE(j.ours == ours && j.asked == asked);
        lxe__journal_dispose(&j);
        strcat(text, "\n");
        ours = lines[i].ours;
        asked = lines[i].asked;
        CU_ASSERT_EQUAL_FATAL(parse(text), 0);
        CU_ASSERT_TRUE(j.ours == ours && j.asked == asked);
        lxe__journal_dispose(&j);
    }
}

static void held_until_a_thaw_is_asked_for(void)
{
    char text[2048];
    int len = write_all(text, sizeof(text));

    strcpy(text + len, "hold\n");
    CU_ASSERT_EQUAL_FATAL(parse(text), 0);
    CU_ASSERT_TRUE(j.held && !j.thaw && !j.committed);
    lxe__journal_dispose(&j);
    /* Cut: it was not asked for. */
    strcat(text, "thaw");
    CU_ASSERT_EQUAL_FATAL(parse(text), 0);
    CU_ASSERT_FALSE(j.thaw);
    lxe__journal_dispose(&j);
    strcat(text, "\n");
    CU_ASSERT_EQUAL_FATAL(parse(text), 0);
    CU_ASSERT_TRUE(j.held && j.thaw);
    lxe__journal_dispose(&j);
}

/* Cut at every byte: whole lines count, what was cut does not. */
static void cut_at_every_byte(void)
{
    char text[2048];
    int len = write_all(text, sizeof(text)), n, r;
    size_t lines, i;

    for (n = 0; n <= len; n++) {
        lxe__err_init(&err);
        r = lxe__journal_parse(&j, text, n, &err);
        for (lines = 0, i = 0; i < (size_t)n; i++)
            lines += text[i] == '\n';
        if (lines < 2) {
            CU_ASSERT_EQUAL(r, -1);
            CU_ASSERT_EQUAL(err.code, ENODATA);
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(r, 0);
        CU_ASSERT_EQUAL(j.nr, lines - 2 < 3 ? lines - 2 : 3);
        for (i = 0; i < j.nr; i++)
            CU_ASSERT_EQUAL(j.list[i].undone, lines == 6 && i == 1);
        lxe__journal_dispose(&j);
    }
}

#define HEAD "libxl-ext-freeze 1\n" \
             "domain 7 dead0001020300000000000000000000\n"

static void nonsense_is_refused(void)
{
    static const char *const bad[] = {
        "other-file 1\ndomain 7 00\n",
        "libxl-ext-freeze 2\ndomain 7 dead0001020300000000000000000000\n",
        "libxl-ext-freeze 1\ndomain 7 dead\n",
        "libxl-ext-freeze 1\ndomain x dead0001020300000000000000000000\n",
        "libxl-ext-freeze 1\n"         /* 2^32 + 7 is not 7 */
        "domain 4294967303 dead0001020300000000000000000000\n",
        HEAD "what\n",
        HEAD "intent unbind vbd-7-51712 vbd - \n",
        HEAD "intent unbind vbd-7-51712 vbd - - -\n",
        HEAD "intent melt vbd-7-51712 vbd - -\n",
        HEAD "undone unbind vbd-7-51712\n",
        HEAD "intent unbind vbd-7-51712 vbd - %4\n",
        HEAD "intent unbind vbd-7-51712 vbd - %00\n",
    };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(parse(bad[i]), -1);
        CU_ASSERT_EQUAL(err.code, EPROTO);
    }
}

static void names_that_lead_elsewhere(void)
{
    static const char *const bad[] = {
        HEAD "intent unbind vbd-8-51712 vbd - -\n",     /* not this one */
        HEAD "intent unbind vbd-7-51712 vif - -\n",
        HEAD "intent unbind ../../x vbd - -\n",
        HEAD "intent unbind vbd-7-1/../2 vbd - -\n",
        HEAD "intent unbind vbd-7- vbd - -\n",
        HEAD "intent unbind pci-7-0 pci - -\n",
        HEAD "intent link vif-7-0 vif - -\n",           /* no interface */
        HEAD "intent link vif-7-0 vif ../x -\n",
        HEAD "intent link vif-7-0 vif .. -\n",
        HEAD "intent link vif-7-0 vif a%20b -\n",
        HEAD "intent link vif-7-0 vif abcdefghijklmnop -\n",
        HEAD "intent unbind vif-7-0 vif v0 sh\n",       /* not a path */
        HEAD "intent unbind vif-7-0 vif v0 /etc/../tmp/x\n",
    };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(parse(bad[i]), -1);
}

static void too_long_does_not_fit(void)
{
    struct lxe__jentry e = card;
    char out[64];

    memset(e.script, '/', sizeof(e.script) - 1);
    e.script[sizeof(e.script) - 1] = '\0';
    CU_ASSERT_EQUAL(lxe__journal_format_intent(out, sizeof(out), &e), -1);
    CU_ASSERT_EQUAL(lxe__journal_format_undone(out, 10, &e), -1);
    CU_ASSERT_EQUAL(lxe__journal_format_header(out, 20, 7, uuid), -1);
}

static void through_a_file(void)
{
    char dir[] = "/tmp/lxe-journal-XXXXXX", run[64];
    struct stat st;
    int fd;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(run, sizeof(run), "%s/run", dir);
    setenv(LXE_RUNDIR_ENV, run, 1);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__journal_open(7, &err), -1);
    CU_ASSERT_EQUAL(err.code, ENOENT);

    lxe__err_init(&err);
    fd = lxe__journal_create(7, uuid, &err);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(stat(run, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
    CU_ASSERT_EQUAL(lxe__journal_intent(fd, 7, &disk, &err), 0);
    /* Of another domain: not a name that can be trusted. */
    CU_ASSERT_EQUAL(lxe__journal_intent(fd, 8, &disk, &err), -1);
    CU_ASSERT_EQUAL(err.code, EINVAL);
    close(fd);

    /* A second one must not go over it. */
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__journal_create(7, uuid, &err), -1);
    CU_ASSERT_EQUAL(err.code, EBUSY);

    lxe__err_init(&err);
    fd = lxe__journal_open(7, &err);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(lxe__journal_undone(fd, &disk, &err), 0);
    CU_ASSERT_EQUAL(lxe__journal_suspend(fd, &err), 0);
    CU_ASSERT_EQUAL(lxe__journal_answered(fd, &err), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__journal_read(&j, fd, &err), 0);
    CU_ASSERT_TRUE(j.ours && !j.asked);
    lxe__journal_dispose(&j);
    CU_ASSERT_EQUAL(lxe__journal_ran(fd, &err), 0);
    CU_ASSERT_EQUAL(lxe__journal_commit(fd, &err), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__journal_read(&j, fd, &err), 0);
    CU_ASSERT_EQUAL_FATAL(j.nr, 1);
    CU_ASSERT_TRUE(j.list[0].undone);
    CU_ASSERT_TRUE(j.committed && !j.ours);
    lxe__journal_dispose(&j);
    close(fd);
    CU_ASSERT_EQUAL(lxe__journal_remove(7, &err), 0);
    CU_ASSERT_EQUAL(lxe__journal_remove(7, &err), 0);
    unsetenv(LXE_RUNDIR_ENV);
    rmdir(run);
    rmdir(dir);
}

/* A journal in a run directory of its own, of which @dir is the pattern. */
static int begin(char *dir)
{
    int fd;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    setenv(LXE_RUNDIR_ENV, dir, 1);
    fd = lxe__journal_create(7, uuid, NULL);
    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

static int open_again(void)
{
    int fd = lxe__journal_open(7, NULL);

    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

static void end(const char *dir)
{
    rmdir(dir);
    unsetenv(LXE_RUNDIR_ENV);
}

/* Or somebody would take it for a leftover, and remove it. */
static void locked_from_its_first_moment(void)
{
    char dir[] = "/tmp/lxe-journal-XXXXXX";
    int fd, other;

    fd = begin(dir);
    other = open_again();
    CU_ASSERT_EQUAL(flock(other, LOCK_EX | LOCK_NB), -1);
    CU_ASSERT_EQUAL(errno, EWOULDBLOCK);
    CU_ASSERT_FALSE(lxe__journal_removed(other));
    CU_ASSERT_EQUAL(lxe__journal_remove(7, NULL), 0);
    CU_ASSERT_TRUE(lxe__journal_removed(other));
    close(fd);
    CU_ASSERT_EQUAL(flock(other, LOCK_EX | LOCK_NB), 0);
    close(other);
    end(dir);
}

/* What comes after it must not stand in one line with it. */
static void a_full_disk_leaves_no_cut_line(void)
{
    char dir[] = "/tmp/lxe-journal-XXXXXX";
    struct rlimit was, now;
    struct stat st;
    int fd;

    fd = begin(dir);
    CU_ASSERT_EQUAL(lxe__journal_suspend(fd, NULL), 0);
    CU_ASSERT_EQUAL(fstat(fd, &st), 0);
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &was), 0);
    now = was;
    now.rlim_cur = st.st_size + 9;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &now), 0);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__journal_intent(fd, 7, &disk, &err), -1);
    CU_ASSERT_EQUAL(err.code, EFBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, dir));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "intent unbind vbd-7-51712"));
    CU_ASSERT_PTR_NULL(strchr(err.msg, '\n'));
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_DFL);
    CU_ASSERT_EQUAL(lxe__journal_commit(fd, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__journal_read(&j, fd, NULL), 0);
    CU_ASSERT_TRUE(j.committed);
    CU_ASSERT_EQUAL(j.nr, 0);
    lxe__journal_dispose(&j);
    CU_ASSERT_EQUAL(lxe__journal_remove(7, NULL), 0);
    close(fd);
    end(dir);
}

/* As what kills a process in the midst of its write leaves it. */
static void a_line_of_one_who_was_killed(void)
{
    char dir[] = "/tmp/lxe-journal-XXXXXX";
    int fd;

    fd = begin(dir);
    CU_ASSERT_EQUAL(write(fd, "undone unb", 10), 10);
    CU_ASSERT_EQUAL(lxe__journal_commit(fd, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__journal_read(&j, fd, NULL), 0);
    CU_ASSERT_TRUE(j.committed);
    lxe__journal_dispose(&j);
    CU_ASSERT_EQUAL(lxe__journal_remove(7, NULL), 0);
    close(fd);
    end(dir);
}

#define LINES 3000

/* Until it is ended; each of its lines finds no room. */
static void __attribute__((noreturn)) write_without_room(int fd)
{
    struct rlimit full = { 1, 1 };

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &full))
        _exit(1);
    for (;;)
        if (!lxe__journal_ran(fd, NULL))
            _exit(1);
}

/* Of a quota, say, that is only one's: the other's lines stay. */
static void a_full_disk_cuts_no_line_of_another(void)
{
    char dir[] = "/tmp/lxe-journal-XXXXXX";
    struct stat before, after;
    int fd, other, i, status;
    pid_t pid;

    fd = begin(dir);
    other = open_again();
    CU_ASSERT_EQUAL(fstat(fd, &before), 0);
    pid = fork();
    if (!pid)
        write_without_room(fd);
    CU_ASSERT_FATAL(pid > 0);
    for (i = 0; i < LINES; i++)
        CU_ASSERT_EQUAL(lxe__journal_hold(other, NULL), 0);
    CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_TRUE(WIFSIGNALED(status));
    CU_ASSERT_EQUAL(fstat(fd, &after), 0);
    CU_ASSERT_EQUAL(after.st_size - before.st_size, LINES * 5);
    CU_ASSERT_EQUAL(lxe__journal_remove(7, NULL), 0);
    close(other);
    close(fd);
    end(dir);
}

/* Stopped in the midst of it, say. */
static void one_who_writes_for_ever_holds_up_nobody(void)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char dir[] = "/tmp/lxe-journal-XXXXXX";
    int fd, other;

    fd = begin(dir);
    other = open_again();
    CU_ASSERT_EQUAL(fcntl(other, F_OFD_SETLK, &fl), 0);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__journal_commit(fd, &err), -1);
    CU_ASSERT_EQUAL(err.code, EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "\"commit\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "try again"));
    close(other);
    CU_ASSERT_EQUAL(lxe__journal_commit(fd, NULL), 0);
    CU_ASSERT_EQUAL(lxe__journal_remove(7, NULL), 0);
    close(fd);
    end(dir);
}

/* It would be taken for a journal that is to be removed. */
static void without_memory_no_line_is_blamed(void)
{
    int r;

    lxe_fill_fail_after(0);
    r = parse(HEAD "intent unbind vbd-7-51712 vbd - -\n");
    CU_ASSERT_TRUE(lxe_fill_failed());
    CU_ASSERT_EQUAL(r, -1);
    CU_ASSERT_EQUAL(err.code, ENOMEM);
}

static void no_run_directory(const char *dir, const char *says)
{
    setenv(LXE_RUNDIR_ENV, dir, 1);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__journal_create(7, uuid, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, says));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, dir));
    unsetenv(LXE_RUNDIR_ENV);
}

static void a_run_directory_that_is_none(void)
{
    char path[] = "/tmp/lxe-journal-XXXXXX";
    int fd = mkstemp(path);

    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    no_run_directory(path, "is no directory");
    unlink(path);
    CU_ASSERT_EQUAL(symlink("/nonexistent/lxe", path), 0);
    no_run_directory(path, "leads to none: remove it");
    unlink(path);
    /* The guardian's would be another one. */
    no_run_directory("tmp", "not an absolute path");
}

static void a_path_that_is_too_long(void)
{
    char dir[300] = "/";

    memset(dir + 1, 'x', sizeof(dir) - 2);
    no_run_directory(dir, "above the bound of 255 bytes: set"
                     " LIBXL_EXT_RUNDIR to a shorter one");
}

LXE_SUITE(journal,
    { "a run directory that is none", a_run_directory_that_is_none },
    { "a path that is too long", a_path_that_is_too_long },
    { "a full disk leaves no cut line", a_full_disk_leaves_no_cut_line },
    { "a line of one who was killed", a_line_of_one_who_was_killed },
    { "a full disk cuts no line of another",
      a_full_disk_cuts_no_line_of_another },
    { "one who writes for ever holds up nobody",
      one_who_writes_for_ever_holds_up_nobody },
    { "without memory no line is blamed",
      without_memory_no_line_is_blamed },
    { "locked from its first moment", locked_from_its_first_moment },
    { "written and read", written_and_read },
    { "committed", committed },
    { "whose it is that the guest is suspended",
      whose_it_is_that_the_guest_is_suspended },
    { "held until a thaw is asked for", held_until_a_thaw_is_asked_for },
    { "cut at every byte", cut_at_every_byte },
    { "nonsense is refused", nonsense_is_refused },
    { "names that lead elsewhere", names_that_lead_elsewhere },
    { "too long does not fit", too_long_does_not_fit },
    { "through a file", through_a_file })
