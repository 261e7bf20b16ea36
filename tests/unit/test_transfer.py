"""Files to machines: who writes to which part, without a machine."""

import hashlib
import time
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest

from enoslib_nxc.errors import DeadlineError
from enoslib_nxc.files import File
from enoslib_nxc.ssh import Access, HostKey
from enoslib_nxc.transfer import Place

IMAGE = File(Path(__file__), "1" * 64, "/nix/i")


class Machine:
    """What places are on: their files, and who is sending at the moment."""

    def __init__(self):
        self.whole, self.sending, self.clashes, self.sent = set(), set(), [], 0
        self.go_on = Event()
        self.go_on.set()

    def place(self, name):
        machine = self

        class Here(Place):
            def run(self, script, values, *, timeout):
                if values["ACTION"] == "accept":
                    machine.whole.add(values["FILE"])
                return "complete" if values["FILE"] in machine.whole else "part=0"

            def _send(self, file, target, offset, timeout):
                if target in machine.sending:
                    machine.clashes.append(target)
                machine.sending.add(target)
                machine.sent += 1
                time.sleep(0.05)
                machine.go_on.wait(5)
                machine.sending.discard(target)

        access = Access(name, name, 22, "ada", None, None)
        return Here(access, HostKey.PINNED, "/home/ada/public")


def at_once(*places):
    barrier = Barrier(len(places))

    def work(place):
        barrier.wait(5)
        place.ensure(IMAGE, 5)

    threads = [Thread(target=work, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)


def test_two_threads_send_a_file_once():
    machine = Machine()
    at_once(*(machine.place("lille") for _ in range(4)))
    assert (machine.clashes, machine.sent) == ([], 1)


def test_two_homes_on_one_machine_are_two_parts():
    machine = Machine()
    assert machine.place("lille").part(IMAGE) != machine.place("nancy").part(IMAGE)
    at_once(machine.place("lille"), machine.place("nancy"))
    assert machine.clashes == []


def test_what_a_broken_connection_left_is_gone_on_with():
    machine = Machine()
    parts = []
    threads = [
        Thread(target=lambda: parts.append(machine.place("lille").part(IMAGE)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert parts == [machine.place("lille").part(IMAGE)] * 2


def test_the_wait_for_another_thread_ends():
    machine = Machine()
    machine.go_on.clear()
    other = Thread(target=machine.place("lille").ensure, args=(IMAGE, 5))
    other.start()
    while not machine.sending:
        time.sleep(0.01)
    with pytest.raises(DeadlineError) as caught:
        machine.place("lille").ensure(IMAGE, 0.05)
    assert caught.value.brief == (
        f"{IMAGE.path.name} was not sent within 0.05 s: another thread sends it"
    )
    machine.go_on.set()
    other.join(5)


def test_a_file_is_read_once_for_all_hosts(tmp_path, monkeypatch):
    path = tmp_path / "initrd"
    path.write_bytes(b"an image")
    opened = []
    real = Path.open

    def slowly(self, *mode, **named):
        if self == path:
            opened.append(self)
            time.sleep(0.05)
        return real(self, *mode, **named)

    monkeypatch.setattr(Path, "open", slowly)
    file, found = File(path, "1" * 64, "/nix/i"), []
    threads = [Thread(target=lambda: found.append(file.blake2b)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert found == [hashlib.blake2b(b"an image").hexdigest()] * 8
    assert opened == [path]
