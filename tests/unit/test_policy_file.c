/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The policy file: every key, and every way to get it wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenstore.h>

#include "fake_xen.h"
#include "memory/policy.h"
#include "unit.h"

static char path[] = "/tmp/lxe-policy-XXXXXX";

/* Into the file at path, which is there. */
static void write_text(const char *text)
{
    FILE *f = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_TRUE(fputs(text, f) >= 0);
    CU_ASSERT_EQUAL(fclose(f), 0);
}

static int load(const char *text, const char *name, struct lxe__policy *p,
                struct lxe__err *err)
{
    int fd, rc;

    strcpy(path, "/tmp/lxe-policy-XXXXXX");
    fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    lxe__err_init(err);
    rc = lxe__policy_load(p, path, name, err);
    unlink(path);
    return rc;
}

static void refused(const char *text, const char *word, const char *bound)
{
    struct lxe__policy p;
    struct lxe__err err;

    CU_ASSERT_EQUAL(load(text, "web", &p, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, path));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, word));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, bound));
    CU_ASSERT_PTR_NULL(strchr(err.msg, '\n'));
    /* And the defaults are back. */
    CU_ASSERT_EQUAL(p.memory_bump_limit, 65536);
    CU_ASSERT_PTR_NULL(p.qemu);
}

static void every_key_is_read(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    CU_ASSERT_EQUAL_FATAL(load(
        "# a comment with nonsense = 1\n"
        "memory_bump = \"track\"\nmemory_bump_limit = 123\n"
        "freeze=\"try\"; freeze_method = 'detach'\n"
        "freeze_timeout = 2500\nlink_timeout = 0\nclaim = 0\n"
        "stock_helper = \"/a/b\"\nqemu = \"/c\"\n", "web", &p, &err), 0);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_TRACK);
    CU_ASSERT_EQUAL(p.memory_bump_limit, 123);
    CU_ASSERT_EQUAL(p.freeze, LXE_FREEZE_TRY);
    CU_ASSERT_EQUAL(p.freeze_method, LXE_METHOD_DETACH);
    CU_ASSERT_EQUAL(p.freeze_timeout, 2500);
    CU_ASSERT_EQUAL(p.link_timeout, 0);
    CU_ASSERT_FALSE(p.claim);
    CU_ASSERT_STRING_EQUAL(p.stock_helper, "/a/b");
    CU_ASSERT_STRING_EQUAL(p.qemu, "/c");
    lxe__policy_dispose(&p);
    lxe__policy_dispose(&p);
}

static void an_override_is_for_its_domain_only(void)
{
    static const char text[] = "memory_bump = \"strict\"\n"
        "memory_bump_overrides = [ \"web=bounded:4096\",\n"
        "    \"a=b=track\" ]\n";
    struct lxe__policy p;
    struct lxe__err err;

    CU_ASSERT_EQUAL(load(text, "web", &p, &err), 0);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_BOUNDED);
    CU_ASSERT_EQUAL(p.memory_bump_limit, 4096);
    lxe__policy_dispose(&p);
    CU_ASSERT_EQUAL(load(text, "a=b", &p, &err), 0);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_TRACK);
    lxe__policy_dispose(&p);
    CU_ASSERT_EQUAL(load(text, "we", &p, &err), 0);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_STRICT);
    lxe__policy_dispose(&p);
    CU_ASSERT_EQUAL(load(text, NULL, &p, &err), 0);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_STRICT);
    lxe__policy_dispose(&p);
}

static bool from(const struct lxe__policy_sources *s,
                 enum lxe__policy_key key, unsigned line, unsigned entry)
{
    return s->of[key].line == line && s->of[key].entry == entry;
}

static void each_value_has_its_line(void)
{
    static const char text[] = "# 1\nfreeze = \"off\"; claim = 1\n"
        "memory_bump_overrides = [ \"a=track\",\n"
        "  \"web=bounded:1\", \"web=strict\" ]\n"
        "memory_bump_limit = 7\n";
    struct lxe__policy_sources s;
    struct lxe__policy p;
    struct lxe__err err;

    strcpy(path, "/tmp/lxe-policy-XXXXXX");
    close(mkstemp(path));
    write_text(text);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(lxe__policy_load_sources(&p, path, "web", &s,
                                                   &err), 0);
    CU_ASSERT_TRUE(s.file_found && !s.file_by_env);
    CU_ASSERT_TRUE(from(&s, LXE_KEY_FREEZE, 2, 0));
    CU_ASSERT_TRUE(from(&s, LXE_KEY_CLAIM, 2, 0));
    CU_ASSERT_TRUE(from(&s, LXE_KEY_QEMU, 0, 0));
    /* The last one wins, but has no limit. */
    CU_ASSERT_TRUE(from(&s, LXE_KEY_MEMORY_BUMP, 3, 3));
    CU_ASSERT_TRUE(from(&s, LXE_KEY_MEMORY_BUMP_LIMIT, 3, 2));
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_STRICT);
    CU_ASSERT_EQUAL(p.memory_bump_limit, 1);
    lxe__policy_dispose(&p);
    CU_ASSERT_EQUAL_FATAL(lxe__policy_load_sources(&p, path, NULL, &s,
                                                   &err), 0);
    CU_ASSERT_TRUE(from(&s, LXE_KEY_MEMORY_BUMP, 0, 0));
    CU_ASSERT_TRUE(from(&s, LXE_KEY_MEMORY_BUMP_LIMIT, 5, 0));
    lxe__policy_dispose(&p);
    unlink(path);
}

static void a_suffix_is_not_the_guest_s(void)
{
    char in[] = "web--incoming", out[] = "--incoming", not[] = "incoming";

    lxe__policy_guest_name(NULL);
    lxe__policy_guest_name(in);
    CU_ASSERT_STRING_EQUAL(in, "web");
    lxe__policy_guest_name(out);
    CU_ASSERT_STRING_EQUAL(out, "--incoming");
    lxe__policy_guest_name(not);
    CU_ASSERT_STRING_EQUAL(not, "incoming");
}

static void a_domain_has_its_guest_s_policy(void)
{
    struct lxe__policy_sources s;
    struct xs_handle *xsh;
    struct lxe__policy p;
    struct lxe__err err;
    char *name;
    int fd;

    fake_xen_on();
    fake_xen_node("/local/domain/5/name", "web--incoming");
    xsh = xs_open(0);
    strcpy(path, "/tmp/lxe-policy-XXXXXX");
    fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    write_text("memory_bump_overrides = [ \"web=track\" ]\n");
    CU_ASSERT_EQUAL(setenv(LXE_POLICY_ENV, path, 1), 0);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(lxe__policy_load_domain(&p, xsh, 5, &name, &s,
                                                  &err), 0);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_TRACK);
    CU_ASSERT_TRUE(from(&s, LXE_KEY_MEMORY_BUMP, 1, 1));
    CU_ASSERT_STRING_EQUAL(name, "web");
    lxe__policy_dispose(&p);
    free(name);
    /* One without a name, and nowhere to ask. */
    CU_ASSERT_EQUAL_FATAL(lxe__policy_load_domain(&p, xsh, 6, &name, NULL,
                                                  &err), 0);
    CU_ASSERT_PTR_NULL(name);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_BOUNDED);
    lxe__policy_dispose(&p);
    CU_ASSERT_EQUAL_FATAL(lxe__policy_load_domain(&p, NULL, 5, NULL, NULL,
                                                  &err), 0);
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_BOUNDED);
    lxe__policy_dispose(&p);
    /* The name is there for the line of a failure, too. */
    write_text("no_key = 1\n");
    CU_ASSERT_EQUAL(lxe__policy_load_domain(&p, xsh, 5, &name, NULL, &err),
                    -1);
    CU_ASSERT_STRING_EQUAL(name, "web");
    free(name);
    lxe__policy_load_domain_or_none(&p, xsh, 5, &name);
    CU_ASSERT_STRING_EQUAL(name, "web");
    CU_ASSERT_EQUAL(p.memory_bump, LXE_BUMP_BOUNDED);
    CU_ASSERT_EQUAL(p.unread.code, EINVAL);
    lxe__policy_dispose(&p);
    free(name);
    unsetenv(LXE_POLICY_ENV);
    unlink(path);
    xs_close(xsh);
    fake_xen_off();
}

static void what_is_wrong_is_named(void)
{
    refused("memory_bump = \n", "syntax error", "NEWLINE");
    refused("\n\nmemory_jump = \"strict\"\n", "line 3", "memory_jump");
    refused("freeze.timeout = 10\n", "line 1", "freeze.timeout");
    refused("claim=1\nclaim=1\n", "line 2", "claim is set twice");
    refused("\nmemory_bump_limit = -1 # no\n", "line 2",
            "memory_bump_limit is -1: no number there is below 0");
    refused("memory_bump_limit = \"-1\"\n", "memory_bump_limit is -1",
            "from 0 to 1099511627776");
    refused("memory_bump_limit = 1099511627777\n", "1099511627777",
            "from 0 to 1099511627776");
    refused("memory_bump_limit = \"12x\"\n", "12x", "from 0");
    refused("memory_bump_limit = [ \"1\" ]\n", "is a list", "from 0");
    refused("memory_bump = \"sometimes\"\n", "sometimes", "\"track\"");
    refused("freeze = \"maybe\"\n", "freeze is \"maybe\"", "\"require\"");
    refused("freeze_method = \"hope\"\n", "hope", "\"prove\"");
    refused("freeze_timeout = 0\n", "freeze_timeout is 0",
            "from 1 to 600000");
    refused("link_timeout = 600001\n", "link_timeout is 600001",
            "from 0 to 600000");
    refused("claim = 2\n", "claim is 2", "from 0 to 1");
    refused("qemu = \"bin/qemu\"\n", "bin/qemu", "absolute");
    refused("memory_bump_overrides = [ \"web=often\" ]\n", "web=often",
            "MODE");
    refused("memory_bump_overrides = [ \"x=bounded:-5\" ]\n",
            "x=bounded:-5", "from 0");
    refused("memory_bump_overrides = \"web=track\"\n", "not a list",
            "memory_bump_overrides");
}

/* libxlutil would end the process. */
static void a_nul_is_refused(void)
{
    static const char text[] = "claim = 1\nqemu = \"/a\0b\"\n";
    struct lxe__policy p;
    struct lxe__err err;
    FILE *f;

    strcpy(path, "/tmp/lxe-policy-XXXXXX");
    f = fdopen(mkstemp(path), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(text, 1, sizeof(text) - 1, f),
                    sizeof(text) - 1);
    CU_ASSERT_EQUAL(fclose(f), 0);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_load(&p, path, "web", &err), -1);
    CU_ASSERT_EQUAL(err.code, EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "line 2: a NUL byte"));
    unlink(path);
}

static void words_in_strings_and_lists_are_no_keys(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    CU_ASSERT_EQUAL(load(
        "memory_bump_overrides = [ \"claim = 1 =track\",\n"
        "  \"nonsense=strict\" ] # claim = 1\n"
        "claim = 1\n", "web", &p, &err), 0);
    lxe__policy_dispose(&p);
}

static void files_that_are_none_are_refused(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_load(&p, "/tmp", NULL, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "not a regular file"));
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_load(&p, "/nonexistent/x", NULL, &err),
                    -1);
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "/nonexistent/x"));
}

/* Where it is opened to be read first, this case never ends. */
static void a_fifo_is_refused_and_not_waited_for(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    strcpy(path, "/tmp/lxe-policy-XXXXXX");
    close(mkstemp(path));
    unlink(path);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_load(&p, path, NULL, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "not a regular file"));
    unlink(path);
}

static void a_file_that_is_too_large_is_refused(void)
{
    char *text = malloc((1 << 20) + 2);
    struct lxe__policy p;
    struct lxe__err err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, '\n', (1 << 20) + 1);
    text[(1 << 20) + 1] = '\0';
    CU_ASSERT_EQUAL(load(text, NULL, &p, &err), -1);
    CU_ASSERT_EQUAL(errno, EFBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "1048577"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "1048576"));
    free(text);
}

static void a_verdict_names_the_file_that_was_read(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    CU_ASSERT_EQUAL(load("memory_bump = \"strict\"\n", "web", &p, &err), 0);
    CU_ASSERT_EQUAL(lxe__policy_judge(&p, "save", "web", 101, 100, 400,
                                      1000, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, path));
    lxe__policy_dispose(&p);
    CU_ASSERT_STRING_EQUAL(lxe__policy_path(&p), LXE_POLICY_FILE);
}

/* What cannot be seen in an editor, nor on the terminal. */
static void other_systems_files_are_named(void)
{
    refused("claim = 0\r\nfreeze = \"try\"\r\n", ":1: ", "Unix line ends");
    refused("\xef\xbb\xbf" "claim = 0\n", ":1: ", "byte order mark");
    refused("claim = 0\033[2J\n", "near `?", "lexical error");
}

static void without_a_file_the_defaults_hold(void)
{
    struct lxe__policy p;
    struct lxe__err err;

    /* "make check-unit" builds with a SYSCONFDIR that is not there. */
    CU_ASSERT_NOT_EQUAL_FATAL(access(LXE_POLICY_FILE, F_OK), 0);
    unsetenv(LXE_POLICY_ENV);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__policy_load(&p, NULL, "web", &err), 0);
    CU_ASSERT_EQUAL(p.memory_bump_limit, 65536);
    lxe__policy_dispose(&p);
    /* Empty is not set. */
    setenv(LXE_POLICY_ENV, "", 1);
    CU_ASSERT_EQUAL(lxe__policy_load(&p, NULL, "web", &err), 0);
    lxe__policy_dispose(&p);
    unsetenv(LXE_POLICY_ENV);
}

static void a_restore_goes_by_the_defaults_without_it(void)
{
    struct lxe__policy p;

    strcpy(path, "/tmp/lxe-policy-XXXXXX");
    close(mkstemp(path));
    write_text("claim = 0\nnew_key = 1\n");
    lxe__policy_load_or_none(&p, path, "web");
    CU_ASSERT_TRUE(p.claim);
    CU_ASSERT_EQUAL(p.unread.code, EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.unread.msg, "line 2: unknown key"));
    lxe__policy_dispose(&p);
    CU_ASSERT_EQUAL(p.unread.code, 0);
    write_text("claim = 0\n");
    lxe__policy_load_or_none(&p, path, "web");
    CU_ASSERT_FALSE(p.claim);
    CU_ASSERT_EQUAL(p.unread.code, 0);
    lxe__policy_dispose(&p);
    unlink(path);
}

LXE_SUITE(policy_file,
    { "a restore goes by the defaults without it",
      a_restore_goes_by_the_defaults_without_it },
    { "files of other systems are named", other_systems_files_are_named },
    { "each value has its line", each_value_has_its_line },
    { "a suffix is not the guest's", a_suffix_is_not_the_guest_s },
    { "a domain has its guest's policy", a_domain_has_its_guest_s_policy },
    { "a verdict names the file that was read",
      a_verdict_names_the_file_that_was_read },
    { "every key is read", every_key_is_read },
    { "an override is for its domain only",
      an_override_is_for_its_domain_only },
    { "what is wrong is named", what_is_wrong_is_named },
    { "a NUL is refused", a_nul_is_refused },
    { "words in strings and lists are no keys",
      words_in_strings_and_lists_are_no_keys },
    { "files that are none are refused", files_that_are_none_are_refused },
    { "a FIFO is refused and not waited for",
      a_fifo_is_refused_and_not_waited_for },
    { "a file that is too large is refused",
      a_file_that_is_too_large_is_refused },
    { "without a file the defaults hold",
      without_a_file_the_defaults_hold })
