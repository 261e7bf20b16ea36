"""Which host runs which machine."""

import pytest

from enoslib_nxc.errors import PlatformError
from enoslib_nxc.model import Node
from enoslib_nxc.platforms.placement import Offer, extra_mib, place


def nodes(*names, memory=512, cores=1):
    return [
        Node(host=name, role="agent", index=i, memory=memory, cores=cores)
        for i, name in enumerate(names, 1)
    ]


def test_hosts_that_are_alike_take_turns_in_their_order():
    offers = [Offer(name, 4096, 4) for name in ("c", "a", "b")]
    placed = place(nodes("1", "2", "3", "4"), offers, {})
    assert placed == {"1": "c", "2": "a", "3": "b", "4": "c"}


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (Offer("small", 4096, 64), Offer("large", 12288, 64)),
        (Offer("small", 1 << 20, 8), Offer("large", 1 << 20, 24)),
    ],
    ids=["memory", "cores"],
)
def test_a_host_three_times_as_large_takes_three_times_as_many(small, large):
    placed = list(place(nodes(*map(str, range(4))), [small, large], {}).values())
    assert (placed.count("small"), placed.count("large")) == (1, 3)


def test_what_has_a_place_keeps_it_and_counts():
    offers = [Offer("a", 4096, 4), Offer("b", 4096, 4)]
    kept = {"1": "a", "2": "a"}
    placed = place(nodes("1", "2", "3", "4"), offers, kept)
    assert placed == {"1": "a", "2": "a", "3": "b", "4": "b"}
    assert place(nodes("1", "2", "3", "4"), offers, placed) == placed


def test_what_is_large_finds_room_first():
    offers = [Offer("a", 1000, 8), Offer("b", 1000, 8)]
    wished = [*nodes("1", "2", memory=400), *nodes("3", memory=900)]
    placed = place(wished, offers, {})
    assert list(placed) == ["1", "2", "3"]
    assert placed["1"] == placed["2"] != placed["3"]


def test_cores_may_be_shared():
    assert set(place(nodes(*"123456"), [Offer("a", 4096, 1)], {}).values()) == {"a"}


def test_too_little_memory_is_told_with_the_numbers_of_each():
    offers = [Offer("a", 1000, 4, extra=64), Offer("b", 500, 4, extra=192)]
    with pytest.raises(PlatformError) as caught:
        place(nodes("1", "2"), offers, {})
    assert str(caught.value) == (
        "not enough memory on 2 hosts for 2 machines: 2 finds no room\n"
        "  a: 576 of 1000 MiB are taken, 2 needs 576\n"
        "  b: 0 of 500 MiB are taken, 2 needs 704\n"
        "-> give more hosts, lower vm.memory, or give the roles fewer machines"
    )


def test_emulation_takes_more():
    assert (extra_mib("kvm"), extra_mib("tcg")) == (64, 192)
