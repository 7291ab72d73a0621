# SPDX-License-Identifier: LGPL-2.1-only
#
# all            the helper, the guardian, the QEMU arbiter, xl-ext with
#                xl-ext-host and libxlext.so (build/release)
# debug          the same with fault points (build/debug)
# check-unit     unit tests with sanitizers; no root, no hypervisor
# check-fuzz     a short run of each fuzzer of both engines, which also must
#                find a fault; needs clang and AFL++, no root
# fuzz           a long one: FUZZ_SECONDS for each reader and engine,
#                one run on each core
# check          unit tests, then the lab scenarios: the one test command
# check-all      the same with every fault point and every guest kind, on
#                each Debian and Xen of the lab (in build/NAME, if not
#                this machine's); stopped and started again, it runs what
#                remains of the lab, with FRESH=1 all of it
# demo           stock Xen against libxl-ext on the three defects
# stock          Debian's verify-stream-v2, in build/stock, for image tests
# bench          speed and memory figures, build/bench*.json
# lint           cppcheck, clang-tidy, direction of includes, shellcheck
# deb            Debian packages, in build/deb ($(OUT)/deb)
# check-deb      the packages in a Debian of their own; needs root
# install        below $(DESTDIR)$(PREFIX); the policy in SYSCONFDIR
# clean          removes all that was built
#
# Objects of each flavour live in their own directory under build/, so
# that release, debug and sanitized builds stand side by side.

PREFIX      ?= /usr/local
DESTDIR     ?=
LIBEXECDIR  ?= $(PREFIX)/libexec/libxl-ext
SBINDIR     ?= $(PREFIX)/sbin
LIBDIR      ?= $(PREFIX)/lib
INCLUDEDIR  ?= $(PREFIX)/include
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
MANDIR      ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
SYSTEMDDIR  ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR  ?= /etc/xen
# Installs packages that are missing; "true" if something else does.
DEPS        ?= build-aux/deps.sh
PYTHON      ?= /usr/bin/python3

# Where builds go: a directory of its own for each Debian release that the
# same tree is built in.
OUT         ?= build
BUILD       ?= $(OUT)/release
CC          ?= gcc
CFLAGS      ?= -O2 -g
# "make WERROR=" for a compiler that warns of what ours do not.
WERROR      ?= -Werror
WARNINGS    := -Wall -Wextra $(WERROR) -Wshadow -Wmissing-prototypes \
               -Wstrict-prototypes -Wvla -Wformat=2
# Everything is position-independent, so that one object serves programs
# and the shared library.  With hidden visibility that costs nothing on
# x86-64, where today's compilers make such programs anyway.
LXE_CFLAGS  := -std=gnu11 $(WARNINGS) -fvisibility=hidden -fPIC -pthread \
               -Ilibxl-ext -Iinclude -I$(BUILD) -I$(BUILD)/idl -MMD -MP \
               -DLXE_SYSCONFDIR='"$(SYSCONFDIR)"' \
               -DLXE_LIBEXECDIR='"$(LIBEXECDIR)"' $(FLAVOUR_CFLAGS)
LXE_LDFLAGS := -pthread $(FLAVOUR_CFLAGS)
XEN_LIBS    := -lxenguest -lxenctrl -lxencall -lxenforeignmemory \
               -lxendevicemodel -lxengnttab -lxenstore -lxentoollog -lxlutil \
               -lyajl
# The code that reads images needs no library of Xen.
IMAGE_LIBS  := -lyajl

# Types are data: idl/FILE.idl becomes _FILE.h and the rest, for each
# flavour anew, since that costs less than sharing would.
IDL_FILES   := libxl_ext_types libxl_ext_types_internal
IDL_DIR     := $(BUILD)/idl
IDL_HDRS    := $(IDL_FILES:%=$(IDL_DIR)/_%.h)
IDL_SRCS    := $(foreach f,$(IDL_FILES),$(IDL_DIR)/_$(f).c \
                 $(IDL_DIR)/_$(f)_json.c) \
               $(IDL_DIR)/_libxl_ext_types_internal_wire.c
IDL_TESTS   := $(IDL_FILES:%=$(IDL_DIR)/_%_test.c)
IDL_OUT     := $(IDL_HDRS) $(IDL_SRCS) $(IDL_TESTS)
IDL_OBJS    := $(IDL_SRCS:%.c=%.o)

# One archive of everything that is not a program, for programs to link.
LIB_ROOMS   := base memory stream tables guest freeze engine image report \
               session api
LIB_SRCS    := $(foreach r,$(LIB_ROOMS),$(wildcard libxl-ext/$(r)/*.c))
LIB_OBJS    := $(LIB_SRCS:%.c=$(BUILD)/%.o) $(IDL_OBJS)
LIB         := $(BUILD)/libxlext-internal.a

# The same as a shared library, which exports only the public calls.
VERSION     := $(shell sed -n \
                 's/^\#define LIBXL_EXT_VERSION_STRING "\(.*\)"/\1/p' \
                 include/libxl_ext.h)
SONAME      := libxlext.so.$(firstword $(subst ., ,$(VERSION)))
SOLIB       := $(BUILD)/libxlext.so.$(VERSION)
SOMAP       := libxl-ext/api/libxlext.map
PUBLIC_HDRS := include/libxl_ext.h include/libxl_ext_operation.h \
               include/libxl_ext_image.h

# Services that call libxl: libvirt's daemons, and Xen's own that saves
# and restores guests when the host goes down and comes up.
SERVICES    := libvirtd virtxend xendomains

# The programs in LIBEXECDIR; xl-ext itself is in SBINDIR.
PROGRAMS    := libxl-ext-save-helper libxl-ext-guardian libxl-ext-qemu \
               xl-ext-host
helper_SRCS   := $(wildcard libxl-ext/helper/*.c)
guardian_SRCS := $(wildcard libxl-ext/guardian/*.c)
qemu_SRCS     := $(wildcard libxl-ext/qemu/*.c)
cmd_SRCS      := $(wildcard xl-cmd/*.c)
# xl-ext itself is the part that needs no library of Xen: xl-cmd/xl_ext.c.
ext_SRCS      := $(patsubst %,xl-cmd/%.c,xl_ext command completion json) \
                 $(wildcard xl-cmd/image*.c)
host_SRCS     := $(filter-out xl-cmd/xl_ext.c,$(cmd_SRCS))

UNIT_SRCS   := $(wildcard tests/unit/*.c)
UNIT_OBJS   := $(UNIT_SRCS:%.c=$(BUILD)/%.o) $(IDL_TESTS:%.c=%.o)

.PHONY: all debug programs check-unit check check-all demo bench lint \
        lint-idl install clean deps deps-build stock deb check-deb FORCE

all: deps-build ; @$(MAKE) -s programs BUILD=$(OUT)/release
debug: deps-build
	@$(MAKE) -s programs BUILD=$(OUT)/debug FLAVOUR_CFLAGS=-DLXE_DEBUG
programs: $(PROGRAMS:%=$(BUILD)/%) $(BUILD)/xl-ext $(SOLIB)

$(BUILD)/_config.h: build-aux/configure.sh
	@mkdir -p $(@D)
	CC="$(CC)" $< > $@.tmp && mv $@.tmp $@

# One run of the generator writes all of these files.
define IDL
$(filter $(IDL_DIR)/_$(1).% $(IDL_DIR)/_$(1)_json.% $(IDL_DIR)/_$(1)_test.% \
  $(IDL_DIR)/_$(1)_wire.%,$(IDL_OUT)) &: idl/$(1).idl $(wildcard idl/*.py)
	@mkdir -p $$(@D)
	$$(PYTHON) -B idl/gentypes.py $$< $$(@D)
endef
$(foreach f,$(IDL_FILES),$(eval $(call IDL,$(f))))

# The paths of installation are compiled in: "make install" with another
# PREFIX than "make" had recompiles the files that contain them.
PATHS       := $(SYSCONFDIR) $(LIBEXECDIR)
$(BUILD)/_paths: FORCE
	@mkdir -p $(@D)
	@echo "$(PATHS)" | cmp -s - $@ || echo "$(PATHS)" > $@
$(patsubst %,$(BUILD)/libxl-ext/%.o,base/program freeze/guard \
    memory/policy memory/policy_file): $(BUILD)/_paths

# The headers must be there before the compiler can say who needs them.
$(BUILD)/%.o: %.c $(BUILD)/_config.h | $(IDL_HDRS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LXE_CFLAGS) -c -o $@ $<

$(IDL_DIR)/%.o: $(IDL_DIR)/%.c $(BUILD)/_config.h | $(IDL_HDRS)
	$(CC) $(CFLAGS) $(LXE_CFLAGS) -Itests/unit -c -o $@ $<

$(LIB): $(LIB_OBJS)
	@rm -f $@
	$(AR) rcs $@ $^

$(SOLIB): $(LIB_OBJS) $(SOMAP)
	$(CC) $(CFLAGS) $(LXE_LDFLAGS) $(LDFLAGS) -shared \
	    -Wl,-soname,$(SONAME) -Wl,--version-script=$(SOMAP) -Wl,-z,defs \
	    -o $@ $(LIB_OBJS) -lxenlight $(XEN_LIBS)

define PROGRAM
$(BUILD)/$(1): $$($(2)_SRCS:%.c=$(BUILD)/%.o) $(LIB)
	$$(CC) $$(CFLAGS) $$(LXE_LDFLAGS) $$(LDFLAGS) -o $$@ $$(filter-out \
	    %.list,$$^) $$($(2)_LIBS) $(XEN_LIBS)
-include $$($(2)_SRCS:%.c=$(BUILD)/%.d)
endef
$(eval $(call PROGRAM,libxl-ext-save-helper,helper))
$(eval $(call PROGRAM,libxl-ext-guardian,guardian))
$(eval $(call PROGRAM,libxl-ext-qemu,qemu))
$(eval $(call PROGRAM,xl-ext-host,host))

# libxenguest calls it: see libxl-ext/helper/interpose.c.
EXPORTS     := libxl-ext/helper/exports.list
helper_LIBS := -Wl,--dynamic-list=$(EXPORTS) -ldl
$(BUILD)/libxl-ext-save-helper: $(EXPORTS)

# It lets a guest run again, which is libxl's business.
guardian_LIBS := -lxenlight

# It links the archive, not the shared library: it is what repairs a host,
# so it must run from the tree, whatever is installed.
host_LIBS   := -lxenlight

$(BUILD)/xl-ext: $(ext_SRCS:%.c=$(BUILD)/%.o) $(LIB)
	$(CC) $(CFLAGS) $(LXE_LDFLAGS) $(LDFLAGS) -o $@ $^ $(IMAGE_LIBS)
-include $(ext_SRCS:%.c=$(BUILD)/%.d)

# The parts of programs that unit tests link.
UNIT_EXTRA  := $(BUILD)/libxl-ext/helper/args.o \
               $(BUILD)/libxl-ext/helper/keep.o \
               $(BUILD)/libxl-ext/helper/protocol.o \
               $(BUILD)/libxl-ext/helper/page_state.o \
               $(patsubst %.c,$(BUILD)/%.o, \
                 $(filter-out %/main.c,$(qemu_SRCS) $(guardian_SRCS)))

$(BUILD)/unit: $(UNIT_OBJS) $(UNIT_EXTRA) $(LIB)
	$(CC) $(CFLAGS) $(LXE_LDFLAGS) -Wl,--wrap=calloc,--wrap=realloc,--wrap=strdup \
	    -o $@ $^ -lcunit $(guardian_LIBS) $(XEN_LIBS) $(IMAGE_LIBS)

check-unit: deps-build
	@$(MAKE) -s $(OUT)/asan/unit BUILD=$(OUT)/asan \
	    SYSCONFDIR=/nonexistent \
	    FLAVOUR_CFLAGS="-DLXE_DEBUG -fsanitize=address,undefined \
	    -fno-sanitize-recover=all"
	$(OUT)/asan/unit

# check-fuzz and fuzz, and what they are made of.
include tests/fuzz/fuzz.mk

# Installing what is missing is part of the commands that a newcomer
# types; with everything there these do nothing and need no root.
deps-build: ; @$(DEPS) build-aux/packages
deps: ; @$(DEPS) build-aux/packages tests/lab/packages

# verify-stream-v2, with which our reader is compared; it is unpacked and
# not installed, which would bring a Xen toolstack and its boot scripts.
STOCK_XEN   ?= xen-utils-4.17
stock: $(OUT)/stock/usr/share/doc/$(STOCK_XEN)
$(OUT)/stock/usr/share/doc/$(STOCK_XEN):
	@echo "unpacking: $(STOCK_XEN)"
	@build-aux/unpack.sh $(OUT)/stock $(STOCK_XEN)

check: deps stock debug all
	@tests/run unit checker image api fuzz lab

check-all: deps stock debug all
	@tests/run --all $(if $(FRESH),--fresh) unit checker image api fuzz lab

demo: deps debug all
	@tests/lab/demo

bench: deps stock all
	@tests/bench/image
	@tests/bench/image --guest pv
	@tests/bench/bench

deb: deps-build
	@$(DEPS) build-aux/packages-debian
	@build-aux/deb.sh $(OUT)/deb

check-deb: deb
	@$(DEPS) build-aux/packages-debian-check
	@LXE_DEBS=$(OUT)/deb tests/run deb

# The rooms and the direction of includes, scripts, then the two checkers
# of C.
lint:
	@$(DEPS) build-aux/packages build-aux/packages-lint
	@build-aux/check-includes.sh
	shellcheck -s sh -S warning build-aux/*.sh debian/switch.sh
	@$(MAKE) -s $(OUT)/lint/_config.h lint-idl BUILD=$(OUT)/lint
	cppcheck --quiet --error-exitcode=1 --std=c11 \
	    --enable=warning,performance,portability \
	    --inline-suppr --suppress=missingIncludeSystem \
	    -DLXE_DEBUG -Ilibxl-ext -Iinclude -I$(OUT)/lint -I$(OUT)/lint/idl \
	    libxl-ext xl-cmd
	# One at a time: clang-tidy 14 mistakes va_start in the second of
	# several files.
	for f in $(LIB_SRCS) $(helper_SRCS) $(guardian_SRCS) $(qemu_SRCS) \
	    $(cmd_SRCS); do \
	    clang-tidy --quiet $$f -- $(filter-out -MMD -MP -Werror \
	        -I$(OUT)/release%,$(LXE_CFLAGS)) -DLXE_DEBUG -I$(OUT)/lint \
	        -I$(OUT)/lint/idl \
	        2>/dev/null || exit 1; \
	done

# Generated C is read by compilers, not by people: it must be clean
# under both, and cppcheck finds what they do not.
lint-idl: $(IDL_OUT)
	for cc in gcc clang; do for f in $(IDL_SRCS) $(IDL_TESTS); do \
	    $$cc -O2 $(filter-out -MMD -MP,$(LXE_CFLAGS)) -Itests/unit \
	        -c -o /dev/null $$f || exit 1; \
	done; done
	cppcheck --quiet --error-exitcode=1 --std=c11 \
	    --enable=warning,performance,portability \
	    --suppress=missingIncludeSystem -Ilibxl-ext $(IDL_SRCS)

# A path with a space would be two in the lines below.
one-path = $(if $(filter-out 0 1,$(words $($(1)))),$(error install: $(1) is \
    "$($(1))": it may not have a space in it))

install: all
	$(call one-path,DESTDIR)$(call one-path,PREFIX)
	install -d $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(SBINDIR) \
	    $(DESTDIR)$(SYSCONFDIR)
	install -m 755 $(PROGRAMS:%=$(OUT)/release/%) \
	    $(DESTDIR)$(LIBEXECDIR)
	install -m 755 $(OUT)/release/xl-ext $(DESTDIR)$(SBINDIR)
	install -d $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCLUDEDIR) \
	    $(DESTDIR)$(PKGCONFIGDIR)
	install -m 644 $(OUT)/release/libxlext.so.$(VERSION) \
	    $(DESTDIR)$(LIBDIR)
	ln -sf libxlext.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libxlext.so
	install -m 644 $(PUBLIC_HDRS) \
	    $(OUT)/release/idl/_libxl_ext_types.h $(DESTDIR)$(INCLUDEDIR)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' build-aux/xlext.pc.in \
	    > $(OUT)/release/xlext.pc
	install -m 644 $(OUT)/release/xlext.pc $(DESTDIR)$(PKGCONFIGDIR)
	sed -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|' systemd/service.conf.in \
	    > $(OUT)/release/libxl-ext.conf
	for d in $(SERVICES:%=$(DESTDIR)$(SYSTEMDDIR)/%.service.d); do \
	    install -d $$d && \
	    install -m 644 $(OUT)/release/libxl-ext.conf $$d || exit 1; \
	done
	install -d $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man5 \
	    $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(MANDIR)/man8 \
	    $(DESTDIR)$(COMPLETIONDIR)
	install -m 644 docs/libxl_ext.3 $(DESTDIR)$(MANDIR)/man3
	install -m 644 docs/libxl-ext.conf.5 docs/xl-ext.conf.5 \
	    $(DESTDIR)$(MANDIR)/man5
	install -m 644 docs/libxl-ext.7 $(DESTDIR)$(MANDIR)/man7
	install -m 644 docs/xl-ext.8 $(DESTDIR)$(MANDIR)/man8
	$(OUT)/release/xl-ext --completion bash > $(OUT)/release/completion
	install -m 644 $(OUT)/release/completion \
	    $(DESTDIR)$(COMPLETIONDIR)/xl-ext
	test -e $(DESTDIR)$(SYSCONFDIR)/libxl-ext.conf || \
	    install -m 644 docs/libxl-ext.conf.example \
	    $(DESTDIR)$(SYSCONFDIR)/libxl-ext.conf

-include $(LIB_OBJS:.o=.d) $(UNIT_OBJS:.o=.d)

clean:
	rm -rf $(OUT)
