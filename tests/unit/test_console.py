import pytest

from enoslib_nxc.boots import console


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("role: null\nhostname: \n", "stage 1 did not find its address in the deployment JSON"),
        (
            "wget: can't connect to remote host (10.0.2.100): Connection refused\n",
            "stage 1 could not fetch the deployment JSON "
            "(can't connect to remote host (10.0.2.100): Connection refused)",
        ),
        (
            "jq: parse error: Unfinished JSON term at EOF\n",
            "stage 1 could not read the deployment JSON (Unfinished JSON term at EOF)",
        ),
        (
            "gojq: invalid json: /mnt-root/etc/nxc/deployment.json\n",
            "stage 1 could not read the deployment JSON (/mnt-root/etc/nxc/deployment.json)",
        ),
        (
            'stage 2 init script (/mnt-root/{\n  "init": "/x"\n}/init) not found\n',
            'the role\'s system is not in the image (/mnt-root/{ "init": "/x" }/init)',
        ),
        (
            "stage 2 init script (/mnt-root/nix/store/x/init) not found\n",
            "the role's system is not in the image (/mnt-root/nix/store/x/init)",
        ),
        (
            "mount: mounting nix-store on /mnt-root/nix/.ro-store failed: No such device\n"
            "cp: can't stat '/nxc-composition/deployment.json': No such file or directory\n",
            "its kernel has no 9p, by which it was to mount the store of this computer",
        ),
        (
            "mount: mounting nix-store on /mnt-root/nix/.ro-store failed: "
            "No such file or directory\n",
            "stage 1 could not mount nix-store, which is shared with it "
            "(No such file or directory)",
        ),
        (
            "mount: mounting nxc-composition on /nxc-composition failed: "
            "No such file or directory\n",
            "stage 1 could not mount nxc-composition, which is shared with it "
            "(No such file or directory)",
        ),
        (
            "cp: can't stat '/nxc-composition/deployment.json': No such file or directory\n"
            "gojq: invalid json: /mnt-root\n",
            "the deployment JSON is not in the directory that is shared with it "
            "(deployment.json)",
        ),
        (
            "gojq: open /mnt-root/nix/store/x-info.json: no such file or directory\n"
            "stage 2 init script (/mnt-root//init) not found\n",
            "the store that is shared with it lacks /nix/store/x-info.json",
        ),
        (
            "jq: error: Could not open file /mnt-root/nix/store/x-info.json: "
            "No such file or directory\n",
            "the store that is shared with it lacks /nix/store/x-info.json",
        ),
        (
            "[    1.2] Initramfs unpacking failed: write error\n",
            "its initrd could not be unpacked (write error): give it more memory",
        ),
        ("[ 3.0] Kernel panic - not syncing: No init\n", "its kernel panicked (No init)"),
    ],
)
def test_known_ends(text, meaning):
    assert console.trouble(f"[    0.0] Linux version 6.1\n{text}") == meaning


def test_a_good_boot_has_no_trouble():
    assert console.trouble("role: server\nhostname: server\nnxc-ready server\n") == ""


def test_the_first_cause_is_told():
    text = "wget: can't connect\nrole: null\nstage 2 init script (/x) not found\n"
    assert "did not find its address" in console.trouble(text)


def test_tail_is_free_of_control_sequences(tmp_path):
    log = tmp_path / "log"
    log.write_text("\x1bc\x1b[?7l\x1b[2J" + "".join(f"line {i}\r\n" for i in range(30)))
    assert console.tail(log).splitlines() == [f"line {i}" for i in range(10, 30)]


def test_no_log_yet(tmp_path):
    assert console.read(tmp_path / "absent") == ""
