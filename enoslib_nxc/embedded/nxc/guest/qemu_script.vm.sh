#!/bin/sh
# Starts one machine with NXC's three shared directories; see @script@.
: "${SHARED_DIR:=/tmp/shared-xchg}" "${SHARED_NIX_STORE_DIR:=/nix/store}"
: "${SHARED_NXC_COMPOSITION_DIR:?is not set}"
mkdir -p "$SHARED_DIR"
share() { QEMU_OPTS="$QEMU_OPTS -virtfs local,path=$1,security_model=none,mount_tag=$2"; }
share "$SHARED_DIR" shared
share "$SHARED_NIX_STORE_DIR" nix-store
share "$SHARED_NXC_COMPOSITION_DIR" nxc-composition
export QEMU_OPTS
exec @script@
