# Sourced by scripts/demo and scripts/test: what both need, installed once.
# Debian packages when root, otherwise the one line to run with sudo; a virtual environment.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${NXC_VENV:-$project/.venv}

say() { printf '%s\n' "$*" >&2; }

# command:package, for what the package and its embedded composition call
needs=(
    nix:nix-bin qemu-system-x86_64:qemu-system-x86 vde_switch:vde2 ssh:openssh-client
    mksquashfs:squashfs-tools cpio:cpio jq:jq zstd:zstd xz:xz-utils python3:python3
)
test_needs=(/usr/sbin/sshd:openssh-server setpriv:util-linux tmux:tmux git:git
    taktuk:taktuk)
# what scripts/benchmark compares with
benchmark_needs=(mmdebstrap:mmdebstrap nmap:nmap screen:screen dnsmasq:dnsmasq-base ip:iproute2)
# for flavour nspawn, which only root uses
[ "$(id -u)" -ne 0 ] || test_needs+=(systemd-nspawn:systemd-container ip:iproute2)

missing_packages() {
    local need program
    for need in "$@"; do
        program=${need%%:*}
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" > /dev/null || echo "${need##*:}"
    done
    python3 -c 'import venv, ensurepip' 2> /dev/null || echo python3-venv
}

install_packages() {
    local packages
    packages=$(missing_packages "$@" | sort -u | tr '\n' ' ')
    [ -n "${packages// /}" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        say "These Debian packages are missing. Run this line, then try again:"
        say "    sudo apt-get install --no-install-recommends $packages"
        exit 1
    fi
    say "installing: $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of names
    apt-get install -y -qq --no-install-recommends $packages > /dev/null
}

# OAR and PostgreSQL, for tests/system/test_oar*.py, which start their own inside namespaces.
install_oar() {
    local packages
    packages=$(missing_packages oarsub:oar-user Almighty:oar-server | sort -u | tr '\n' ' ')
    compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || packages+=postgresql
    install_idle OAR "$packages"
}

# Docker, for tests/system/test_docker*.py, which start a daemon of their own.
install_docker() {
    install_idle Docker "$(missing_packages dockerd:docker.io docker:docker.io iptables:iptables \
        docker-compose:docker-compose | sort -u | tr '\n' ' ')"
}

# install_idle NAME PACKAGES: nothing of these packages is to run here; only root's tests need
# them, and are skipped without them.
install_idle() {
    local packages=$2 policy=/usr/sbin/policy-rc.d
    [ "$(id -u)" -eq 0 ] || return 0
    [ -n "${packages// /}" ] || return 0
    say "installing: $packages"
    (
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' > "$policy" # start no service: invoke-rc.d(8)
            chmod +x "$policy"
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        # shellcheck disable=SC2086  # a list of names
        apt-get install -y -qq --no-install-recommends $packages > /dev/null
    ) || say "$1 cannot be installed here: its tests are skipped"
}

# make_venv EXTRAS: (re)install the package when its metadata changed; an environment with
# more than is asked for is left as it is
make_venv() {
    local stamp have wanted
    stamp=$venv/.nxc-stamp
    wanted=$(cat "$project/setup.cfg" "$project/pyproject.toml" | sha256sum)
    wanted="$project $(python3 --version) ${wanted%% *}"
    have=$(cat "$stamp" 2> /dev/null || :)
    if [ ! -x "$venv/bin/python" ] || { [ "$have" != "$wanted $1" ] && [ "$have" != "$wanted [dev]" ]; }; then
        say "making the virtual environment $venv"
        python3 -m venv --clear "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e "$project$1"
        printf '%s' "$wanted $1" > "$stamp"
    fi
}
