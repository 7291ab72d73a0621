# SPDX-License-Identifier: LGPL-2.1-only
"""libxl-ext-guardian --probe: each line is JSON, whatever a guest wrote."""

import json
import subprocess

from world import BUILD, DISK, RING_REF

NODE = "store/local/domain/5/device/vbd/51712/ring-ref"


def probe(world):
    p = subprocess.run([BUILD / "libxl-ext-guardian", "--probe", "5"],
                       env=world.env, capture_output=True, check=True,
                       timeout=60)
    return [json.loads(line) for line in p.stdout.splitlines()]


def of(lines, key):
    return [x for x in lines if key in x]


def test_what_is_there(world):
    said = probe(world)
    assert [x["backend"] for x in of(said, "type")] == [DISK]
    assert [x["ref"] for x in of(said, "ring")] == [RING_REF]
    assert not of(said, "error") and said[-1]["listed"] == 1


def test_what_a_guest_wrote_is_a_string(world):
    world.put(NODE, b'"x\\\n\x01\xff')
    said = probe(world)
    assert not of(said, "ring")
    [x] = of(said, "error")
    assert "ring-ref" in x["error"] and '"x\\' in x["error"]
