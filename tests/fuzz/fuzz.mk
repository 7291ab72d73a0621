# SPDX-License-Identifier: LGPL-2.1-only
#
# The fuzzers: a part of the Makefile, whose variables it uses.
#
# Each reader of what comes from outside has one source in tests/fuzz,
# which both engines build, and in tests/fuzz/plants.py a fault that each
# of them must find.  tests/fuzz/fuzzing.py runs them; what a run finds
# grows the corpus under build/, and a find leaves its input there.

.PHONY: check-fuzz fuzz fuzz-build fuzz-deps fuzz-libfuzzer fuzz-afl \
        fuzz-programs

FUZZ_SECONDS ?= 1800
# As many at a time; as there are processors.
FUZZ_JOBS    ?=
FUZZ_ENGINES ?= libfuzzer afl
FUZZ_READERS ?= $(patsubst tests/fuzz/fuzz_%.c,%, \
                  $(wildcard tests/fuzz/fuzz_*.c))
# fuzz: the readers; planted: those with a fault
FUZZ_PROGRAMS ?= fuzz planted
FUZZ_SAN    := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_MAKE   := $(MAKE) -s fuzz-programs SYSCONFDIR=/nonexistent \
               CFLAGS="-O1 -g"
# What the readers and the files that they need are made of.
FUZZ_ROOMS  := base memory stream tables image session
FUZZ_LIB    := $(BUILD)/libfuzzed.a
FUZZ_OBJS   := $(patsubst %.c,$(BUILD)/%.o, \
                 $(foreach r,$(FUZZ_ROOMS),$(wildcard libxl-ext/$(r)/*.c)) \
                 $(patsubst %,libxl-ext/%.c,api/ctx api/file api/peer \
                   api/op_stream freeze/journal freeze/journal_file \
                   helper/args helper/caller helper/protocol) \
                 tests/fuzz/common.c tests/fuzz/reading.c) $(IDL_OBJS)
FUZZ_LINK    = $(CC) $(LXE_LDFLAGS) -fsanitize=fuzzer -o $@ \
               $(filter-out %.py,$^) $(XEN_LIBS)

fuzz: fuzz-build
	@tests/fuzz/fuzzing.py --seconds $(FUZZ_SECONDS) $(FUZZ_JOBS:%=--jobs %) \
	    $(FUZZ_ENGINES:%=-e %) $(FUZZ_READERS)

check-fuzz: ; @tests/run --all fuzz

fuzz-build: $(FUZZ_ENGINES:%=fuzz-%)

fuzz-deps: ; @$(DEPS) build-aux/packages build-aux/packages-fuzz

fuzz-libfuzzer: fuzz-deps
	+@$(FUZZ_MAKE) BUILD=$(OUT)/fuzz/libfuzzer CC=clang \
	    FLAVOUR_CFLAGS="-fsanitize=fuzzer-no-link $(FUZZ_SAN)"

fuzz-afl: fuzz-deps
	+@AFL_QUIET=1 $(FUZZ_MAKE) BUILD=$(OUT)/fuzz/afl CC=afl-clang-fast \
	    FLAVOUR_CFLAGS="$(FUZZ_SAN)"

fuzz-programs: $(foreach p,$(FUZZ_PROGRAMS),$(FUZZ_READERS:%=$(BUILD)/$(p)_%))

$(FUZZ_LIB): $(FUZZ_OBJS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(FUZZ_LIB)
	$(FUZZ_LINK)

# A copy of one product file with its fault is linked before the archive.
$(BUILD)/plants/%.c: tests/fuzz/plants.py $(FUZZ_OBJS)
	@mkdir -p $(@D)
	$(PYTHON) -B tests/fuzz/plants.py $* $(IDL_DIR) > $@.tmp
	cmp -s $@.tmp $@ || mv $@.tmp $@

# Without a check, things may be unused: no warnings.
$(BUILD)/plants/%.o: $(BUILD)/plants/%.c
	$(CC) $(CFLAGS) $(LXE_CFLAGS) -w -c -o $@ $<

$(BUILD)/planted_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/plants/%.o \
    $(FUZZ_LIB)
	$(FUZZ_LINK)

.PRECIOUS: $(BUILD)/tests/fuzz/%.o $(BUILD)/plants/%.c $(BUILD)/plants/%.o
-include $(wildcard $(BUILD)/tests/fuzz/*.d)
