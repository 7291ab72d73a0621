/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What stock libxl would set at a restore.  The figures are sums of
 * "target_memkb" as `xl list -l` has it and 1024, of domains of the
 * kind named.
 */
#include "memory/stock.h"
#include "unit.h"

#define MIB 1024ULL

static void pv_and_pvh_have_the_constant_once(void)
{
    struct lxe__stock s = {
        .target_kb = 128 * MIB, .created_max_kb = 256 * MIB,
        .created_target_kb = 128 * MIB,
    };

    CU_ASSERT_EQUAL(lxe__stock_max_kb(&s), 129 * MIB);
}

static void hvm_gets_its_video_memory_back(void)
{
    struct lxe__stock s = {
        .hvm = true, .target_kb = 152 * MIB, .video_kb = 8 * MIB,
        .created_max_kb = 160 * MIB, .created_target_kb = 160 * MIB,
    };

    CU_ASSERT_EQUAL(lxe__stock_max_kb(&s), 161 * MIB);
}

static void hvm_populated_on_demand_has_the_constant_twice(void)
{
    struct lxe__stock s = {
        .hvm = true, .target_kb = 119 * MIB, .video_kb = 8 * MIB,
        .created_max_kb = 256 * MIB, .created_target_kb = 128 * MIB,
    };

    CU_ASSERT_EQUAL(lxe__stock_max_kb(&s), 129 * MIB);
}

/* Less than its maximum today, but not when it was created. */
static void a_ballooned_hvm_guest_has_it_once(void)
{
    struct lxe__stock s = {
        .hvm = true, .target_kb = 120 * MIB, .video_kb = 8 * MIB,
        .created_max_kb = 160 * MIB, .created_target_kb = 160 * MIB,
    };

    CU_ASSERT_EQUAL(lxe__stock_max_kb(&s), 129 * MIB);
    /* libxl takes a target that nobody gave for the highest number. */
    s.created_target_kb = LXE_STOCK_DEFAULT_KB;
    CU_ASSERT_EQUAL(lxe__stock_max_kb(&s), 129 * MIB);
}

static void keys_are_found_in_libxl_s_text(void)
{
    static const char json[] =
        "{\n    \"c_info\": {\n        \"type\": \"hvm\",\n"
        "        \"name\": \"max_memkb\", \"max_memkb\": 7,\n"
        "        \"ssid_label\": \"\\\"max_memkb\\\": 7\"\n    },\n"
        "    \"b_info\": {\n        \"max_memkb\": 262144,\n"
        "        \"target_memkb\" : 131072, \"below\": -1,\n"
        "        \"video_memkb\": 8192,\n"
        "        \"shadow_memkb\": null,\n"
        "        \"iommu_memkb\": 99999999999999999999999\n    }\n}\n";

    CU_ASSERT_EQUAL(lxe__stock_json_kb(json, "max_memkb"), 262144);
    CU_ASSERT_EQUAL(lxe__stock_json_kb(json, "target_memkb"), 131072);
    CU_ASSERT_EQUAL(lxe__stock_json_kb(json, "memkb"),
                    LXE_STOCK_DEFAULT_KB);
    CU_ASSERT_EQUAL(lxe__stock_json_kb(json, "shadow_memkb"),
                    LXE_STOCK_DEFAULT_KB);
    CU_ASSERT_EQUAL(lxe__stock_json_kb(json, "iommu_memkb"),
                    LXE_STOCK_DEFAULT_KB);
    CU_ASSERT_EQUAL(lxe__stock_json_kb(json, "below"),
                    LXE_STOCK_DEFAULT_KB);
    CU_ASSERT_EQUAL(lxe__stock_json_kb("", "max_memkb"),
                    LXE_STOCK_DEFAULT_KB);
    CU_ASSERT_EQUAL(lxe__stock_json_kb("{\"max_memkb\":", "max_memkb"),
                    LXE_STOCK_DEFAULT_KB);
    /* Deeper than any of libxl's; yajl would free it by recursion. */
    CU_ASSERT_EQUAL(lxe__stock_json_kb("{\"b_info\":{\"max_memkb\":7,\"x\":"
                                       "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}}",
                                       "max_memkb"), LXE_STOCK_DEFAULT_KB);
}

LXE_SUITE(stock,
    { "PV and PVH have the constant once",
      pv_and_pvh_have_the_constant_once },
    { "HVM gets its video memory back", hvm_gets_its_video_memory_back },
    { "HVM populated on demand has the constant twice",
      hvm_populated_on_demand_has_the_constant_twice },
    { "a ballooned HVM guest has it once",
      a_ballooned_hvm_guest_has_it_once },
    { "keys are found in libxl's text", keys_are_found_in_libxl_s_text })
